/** What is wrong with a model, in one printable line of at most 300 characters. */
export class ModelError extends Error {
  constructor(message) {
    super(String(message).replace(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, " ").slice(0, 300));
    this.name = "ModelError";
  }
}
