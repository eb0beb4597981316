"""A plugin of drawzoo: a GRU in the place of the encoder's LSTM, and a model that uses it."""

import drawzoo


@drawzoo.hookimpl
def register_encoders(register):
    register("gru", "drawzoo_gru_encoder:GRUEncoder", summary="a GRU")


@drawzoo.hookimpl
def register_models(register):
    config = drawzoo.ModelConfig(
        variant="gru",
        dataset="mnist",
        reader=drawzoo.ComponentConfig(name="attention"),
        encoder=drawzoo.ComponentConfig(name="gru", config={"units": 128}),
        writer=drawzoo.ComponentConfig(name="attention"),
    )
    register("gru-mnist", config, summary="DRAW with a GRU encoder")
