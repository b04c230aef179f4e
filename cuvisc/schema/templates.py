"""Specs to start from: text with comments for people, which validates as it is. Pure Python."""

from __future__ import annotations

from collections.abc import Mapping

_VERBS = (
    ("cuvisc validate {file}", "every mistake at once, with its place"),
    ("cuvisc show {file}", "the graph with its types, and what training and export will do"),
    ("cuvisc train {file}", "writes a run folder"),
    ("cuvisc nodes", "every type that can stand here; `cuvisc nodes RXGlobal` shows one"),
    ("cuvisc schema --install {file}", "completion and checks in the editor"),
)

_DATA = """
# Your own cubes, ENVI, GeoTIFF, HDF5, MAT or NumPy files of one image each; `cuvisc nodes CubeFiles` says more.
# datamodule: {type: CubeFiles, data_dir: data, train: "train/*.hdr", val: "val/*.hdr"}
# To begin with, a public scene{scene}.
datamodule: {type: IndianPines{data}}
"""

_RX = """
graph:
  name: rx
  outputs: [rx.scores]         # what the exported model gives; without it, whatever no other node reads

# Nodes in order; each reads the one before it unless it says `parent: name`.
nodes:
  normalizer: {type: MinMaxNormalizer}
  rx: {type: RXGlobal}         # squared Mahalanobis distance to the background (Reed & Yu 1990)

# Measured on the validation data: scores above mean + 2 standard deviations count as detections.
metric_leaves:
  detection: {type: AnomalyDetectionMetrics, parent: rx, threshold_multiplier: 2.0}
  scores: {type: ScoreStatisticsMetric, parent: rx}
"""

_PCA = """
graph:
  name: pca

# Nodes in order; each reads the one before it unless it says `parent: name`.
nodes:
  normalizer: {type: MinMaxNormalizer}
  pca: {type: TrainablePCA, n_components: 3, trainable: true}   # starts as principal components of the data

# What phase 2 makes small. Add a loss of your own task, and the components follow it.
loss_leaves:
  orthogonality: {type: OrthogonalityLoss, parent: pca, weight: 1.0}

metric_leaves:
  explained_variance: {type: ExplainedVarianceMetric, parent: pca}
"""

_ANOMALY = """
graph:
  name: anomaly
  outputs: [rx.scores, decider.decisions]   # what the exported model gives

# Nodes in order; each reads the one before it unless it says `parent: name`.
nodes:
  normalizer: {type: MinMaxNormalizer}
  pca: {type: TrainablePCA, n_components: 8, trainable: true}   # phase 2 moves the components
  rx: {type: RXGlobal}                                          # scores: distance to the background
  head: {type: RXLogitHead}                                     # logits: learned scale and bias
  decider: {type: LogitDecider, threshold: 0.5}                 # decisions: sigmoid(logit) >= threshold

# What phase 2 makes small; each needs a `mask` in the data that is > 0 on anomalies.
loss_leaves:
  bce: {type: AnomalyBCEWithLogits, parent: head, pos_weight: 10.0}
  orthogonality: {type: OrthogonalityLoss, parent: pca, weight: 1.0}

# What is measured after every epoch.
metric_leaves:
  detection: {type: AnomalyDetectionMetrics, parent: head, reads: logits, threshold: 0.5}
"""

_NO_TRAINING = """
training:
  trainer: {max_epochs: 0}     # nothing is trained by gradients: statistics, then one validation
"""

_TRAINING = """
training:
  seed: 42
  trainer: {max_epochs: 20}
  optimizer: {name: adam, lr: 0.003, scheduler: reduce_on_plateau}
"""

_TEMPLATES: Mapping[str, tuple[str, str, str, str, str]] = {
    "anomaly": (
        "Learn to find one material in a scene: statistics first, then gradients against a mask.",
        _ANOMALY,
        ", one of its classes taken as the anomaly",
        ", anomaly_class: 16",
        _TRAINING,
    ),
    "pca": ("Principal components that keep being trained.", _PCA, "", "", _TRAINING),
    "rx": (
        "The classic anomaly detector: distance to the background. One reading of the data fits it.",
        _RX,
        ", one of its classes taken as the anomaly",
        ", anomaly_class: 16",
        _NO_TRAINING,
    ),
}


def template_text(name: str, file: str) -> str:
    """The text of a template, as it stands in `file`. Raises KeyError for a name there is none of."""
    about, graph, scene, data, training = _TEMPLATES[name]
    verbs = [(verb.replace("{file}", file), what) for verb, what in _VERBS]
    width = max(len(verb) for verb, _ in verbs)
    lines = [about, "", *(f"  {verb:<{width}}   {what}" for verb, what in verbs)]
    head = "".join(f"# {line}".rstrip() + "\n" for line in lines) + "version: 1\n"
    return head + graph + _DATA.replace("{scene}", scene).replace("{data}", data) + training
