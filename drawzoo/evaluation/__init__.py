"""The evaluation protocols: what is measured on a model, and how.

`bound` and `iwae` are bounds of the negative log-likelihood in nats per image, lower is better.
`generated` is the figure of a presentation on DRAW, which is no likelihood. `quality` looks at
samples through a classifier of digits. `accuracy` is for models whose encoder classifies. None but
the last needs labels. Every figure depends on the model, the images and the seed alone.
"""

from drawzoo.evaluation.accuracy import evaluate_accuracy
from drawzoo.evaluation.bound import evaluate_bound
from drawzoo.evaluation.generated import evaluate_generated
from drawzoo.evaluation.iwae import evaluate_iwae
from drawzoo.evaluation.measure import applicable, measure, measure_again, measure_for_card
from drawzoo.evaluation.paired import Comparison, compare
from drawzoo.evaluation.quality import evaluate_quality

__all__ = [
    "Comparison",
    "applicable",
    "compare",
    "evaluate_accuracy",
    "evaluate_bound",
    "evaluate_generated",
    "evaluate_iwae",
    "evaluate_quality",
    "measure",
    "measure_again",
    "measure_for_card",
]
