"""The one table of diagnostic codes: what each means, how to mend it, and a spec that earns it.

`cuvisc explain CODE` prints from here. Codes are stable: a number is never reused. E0 syntax and files, E1
schema, E2 types and units, E3 wiring, E4 targets, E5 data, W warnings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import fill, indent


@dataclass(frozen=True)
class Code:
    """One kind of finding; `example` is a piece of spec (or a command) that earns it, "" when there is
    none."""

    title: str
    explanation: str
    example: str = ""


CODES: Mapping[str, Code] = {
    "E001": Code(
        "file not found",
        "The spec, or a file it names, does not exist. Paths are relative to the current folder; names in "
        "`defaults` are relative to the spec.",
        "cuvisc validate specs/misspelt.yaml",
    ),
    "E002": Code(
        "file cannot be read",
        "The path is a folder or a device, or the file's permissions forbid reading.",
        "cuvisc validate specs/",
    ),
    "E003": Code(
        "not a text file",
        "A spec is UTF-8 text. Files in UTF-16, files with NUL bytes and other binary files are refused.",
    ),
    "E004": Code(
        "character not allowed",
        "Control characters other than line breaks and tabs, and the invisible line separators U+0085, "
        "U+2028 and U+2029, do not belong in a spec. Inside double quotes they can be written as escapes, "
        "such as \\u2028.",
    ),
    "E005": Code(
        "beyond a limit",
        "A spec may have 1 MB, a depth of 64, 100000 values, 10000 values reached through aliases, keys of "
        "128 and texts of 10000 characters, and at most 100 files in its `defaults`. The limits keep a "
        "hostile file from using up the machine; a graph written by a person does not come near them.",
    ),
    "E006": Code("empty spec", "The file holds no mapping: it is empty, or all of it is comments."),
    "E010": Code(
        "YAML syntax",
        "The text is not YAML. Look at the line the caret shows and the one before it: a missing colon, "
        "bracket or quote, or a wrong indentation.",
        "graph: {name: rx",
    ),
    "E011": Code(
        "duplicate key",
        "The same key stands twice in one mapping. YAML readers usually keep the last in silence; here it"
        " is an error.",
        "rx:\n  eps: 1e-6\n  eps: 1e-3",
    ),
    "E012": Code(
        "YAML feature not supported",
        "Tags (`!!python/…`), merge keys (`<<`), several documents in a file, and keys that are not text "
        "are no part of the spec language. Anchors and aliases are.",
        "rx: {<<: *defaults}",
    ),
    "E013": Code(
        "number out of range",
        "Whole numbers must fit in 64 bits, and numbers must be finite: `.nan` and `.inf` mean nothing in"
        " a spec.",
        "eps: .nan",
    ),
    "E020": Code(
        "override syntax",
        "An override is `key=value`, `+key=value` (add), `++key=value` (add or change) or `~key` (remove), "
        "in Hydra's grammar. Several values (`key=1,2`) are for `cuvisc sweep`, which makes a run for each.",
        "cuvisc validate spec.yaml training.seed=[1",
    ),
    "E021": Code(
        "override of an unknown key",
        "The key is neither in the spec nor known to the schema at that place. `+key=value` adds a new "
        "entry.",
        "cuvisc validate spec.yaml nodes.rx.epss=1e-3",
    ),
    "E022": Code(
        "override adds what exists",
        "`+key=value` adds a key, but the spec already has it. Use `key=value` to change it.",
        "cuvisc validate spec.yaml +training.seed=1",
    ),
    "E030": Code(
        "defaults list",
        "`defaults` is a list of file names beside the spec, `group: option` pairs and `_self_` (at most "
        "once). Names stay inside the spec's folder.",
        "defaults: ../secret",
    ),
    "E031": Code(
        "defaults form a loop",
        "A file names itself in its `defaults`, directly or through another file.",
    ),
    "E040": Code(
        "interpolation",
        "`${oc.env:NAME,default}` reads an environment variable and `${training.seed}` another value of the"
        " spec. Nothing else can stand between `${` and `}`.",
        "data_dir: ${oc.env:DATA_ROOT",
    ),
    "E041": Code(
        "environment variable not set",
        "The variable has no value and the interpolation names no default: `${oc.env:NAME,default}`.",
        "data_dir: ${oc.env:DATA_ROOT}",
    ),
    "E101": Code(
        "unknown key",
        "The schema has no such key at this place; a misspelt parameter would otherwise be ignored in "
        "silence. `cuvisc nodes NAME` lists the parameters of a type.",
        "rx: {type: RXGlobal, epss: 1e-6}",
    ),
    "E102": Code(
        "missing key",
        "A required key is not there.",
        "pca: {type: TrainablePCA}   # n_components is missing",
    ),
    "E103": Code(
        "wrong kind of value",
        "The value is text where a number is wanted, a list where a mapping is wanted, and so on. Quotes "
        "make text "
        'of anything: "3" is text, 3 is a number.',
        'pca: {type: TrainablePCA, n_components: "3"}',
    ),
    "E104": Code(
        "value out of bounds",
        "The value is outside the range that the parameter declares, or a list has too few or too many "
        "items.",
        "rx: {type: RXGlobal, eps: -1}",
    ),
    "E105": Code(
        "not one of the choices",
        "The parameter takes one of a few values and this is none of them.",
        "optimizer: {name: adamm}",
    ),
    "E106": Code(
        "unknown type",
        "`type` (or `_target_`) names nothing that is registered in this section. `cuvisc nodes` lists "
        "what is.",
        "rx: {type: RXGlobl}",
    ),
    "E107": Code(
        "spec is newer than the program",
        "`version` is higher than this cuvisc understands. Upgrade cuvisc, or write the spec in an older "
        "version.",
        "version: 99",
    ),
    "E108": Code(
        "bad name",
        "Names of nodes and leaves are ASCII letters, digits, `_` and `-`, do not start with a digit, and "
        "are not `input`, which is the cube that the graph reads.",
        "nodes: {my.rx: {type: RXGlobal}}",
    ),
    "E109": Code(
        "bad reference",
        "A reference is the name of a node, or `node.port`.",
        "parent: rx.scores.first",
    ),
    "E201": Code(
        "types do not match",
        "A port is given a value of another type: another dtype, number of dimensions or size.",
        "pca: {type: TrainablePCA, n_components: 3, parent: decider}",
    ),
    "E202": Code(
        "units do not match",
        "Ports say whether they carry scores, logits, probabilities or decisions, and a port that wants one"
        " cannot take another: a probability threshold on raw logits would be wrong for every pixel.",
        "decider: {type: BinaryDecider, parent: logit_head}",
    ),
    "E203": Code(
        "sizes contradict each other",
        "The same dimension of a node would have two sizes at once, through two of its inputs.",
    ),
    "E204": Code(
        "parameter does not fit the input",
        "A parameter contradicts the size of what the node reads.",
        "pca: {type: TrainablePCA, n_components: 80}   # of 61 bands",
    ),
    "E205": Code(
        "inputs cannot be concatenated",
        "Several parents of one port are joined along the band axis: they need the same dtype, unit and "
        "image size.",
    ),
    "E301": Code(
        "unknown node", "A reference names a node that the spec does not have.", "parent: normaliser"
    ),
    "E302": Code("unknown port", "The node has no port of that name.", "parent: rx.score"),
    "E303": Code("cycle", "Nodes feed each other in a ring, so that none can be computed first."),
    "E304": Code(
        "port left open",
        "Every input port of a node needs a value; with several ports, write them under `inputs`.",
        "fuse: {type: Concat, inputs: {first: rx}}",
    ),
    "E305": Code(
        "no node for this leaf",
        "The leaf names no parent, and no node of the graph is one it can stand on.",
        "loss_leaves: {orthogonality: {type: OrthogonalityLoss}}   # without any PCA",
    ),
    "E306": Code(
        "several nodes for this leaf",
        "The leaf names no parent, and more than one node would do. Write `parent:`.",
    ),
    "E307": Code("leaf on the wrong node", "The leaf cannot stand on the node that `parent` names."),
    "E308": Code(
        "parent and inputs", "A node has either `parent` or `inputs`, not both.", "{parent: a, inputs: {}}"
    ),
    "E309": Code(
        "parent is not enough",
        "The node has several input ports, so that `parent` does not say which one is meant. Write `inputs`.",
    ),
    "E310": Code("output of no use", "`graph.outputs` names the same value twice, or the graph's own input."),
    "E311": Code("graph without nodes", "`nodes` is empty; a graph computes something.", "nodes: {}"),
    "E312": Code(
        "parent of a node that reads nothing",
        "The node has no input port, so that no value can be led to it.",
    ),
    "E313": Code(
        "epochs with nothing to train",
        "`max_epochs` asks for gradient training, but no loss depends on a trainable node. Without `max_epochs` "
        "phase 2 runs where there is something to train, and with 0 it never does.",
        "training: {trainer: {max_epochs: 10}}   # and no loss",
    ),
    "E314": Code(
        "training options exclude each other",
        "The options of the training section contradict each other, or ask for what no training can have: Lightning "
        "would refuse them after phase 1, or leave one of them out in silence, or train nothing.",
        "training: {trainer: {max_epochs: -1, max_time: 00:01:00:00}, optimizer: {scheduler: one_cycle}}",
    ),
    "E315": Code(
        "monitored value is never logged",
        "A callback or the scheduler waits for a value of another name than those that are logged, and the training "
        "would stop for it: `train/loss/<leaf>`, `val/loss/<leaf>`, both also with `total`, `val/metric/<name>` and "
        "`lr`. Nothing under `val/` is logged where `limit_val_batches` is 0.",
        "callbacks: [{type: EarlyStopping, monitor: val_loss}]",
    ),
    "E401": Code(
        "target cannot express this",
        "A node declares, with a reason, that it cannot be exported to this target.",
    ),
    "E501": Code("data not found", "The data that the spec names is not where it says."),
    "E502": Code(
        "data does not fit the graph",
        "The data has another number of bands, or another dtype, than declared, or none where a node looks for some. "
        "`validate` knows the bands of a data module that declares them, else from the header of the first file.",
        "graph: {input: {channels: 61}}   # and `datamodule: {type: IndianPines}`, which has 200",
    ),
    "W106": Code(
        "package of types left out",
        "An installed package announces types (entry-point group `cuvisc.nodes`), but its header is damaged, "
        "it cannot be imported, or it declares a type that exists already. Specs that do not use its types "
        "are fine.",
    ),
    "W301": Code("value is never used", "No leaf, output or node reads what this node computes."),
    "W302": Code("nothing to train", "There is a loss, but no trainable node upstream of it."),
    "W303": Code(
        "loss without effect",
        "The weight of the loss is 0: it is computed and changes nothing. A metric leaf would show the "
        "same number.",
        "loss_leaves: {orthogonality: {type: OrthogonalityLoss, weight: 0}}",
    ),
    "W304": Code(
        "trained by no loss",
        "The node is trainable, but no loss depends on what it computes: phase 2 will not move it.",
    ),
    "W305": Code(
        "monitored value is never logged, for which nothing waits",
        "As E315, where it does not stop the training: an EarlyStopping with `strict: false` never stops, and without "
        "gradient training no callback looks.",
        "callbacks: [{type: EarlyStopping, monitor: val_loss, strict: false}]",
    ),
    "W306": Code(
        "data lacks what a leaf reads",
        "The data module declares what its batches hold besides the cube, and that is not all that the leaf "
        "reads. `labels` also serve where a `mask` is read. Of files: the first is of a kind that holds one array, and "
        "no mask lies beside it.",
    ),
    "W307": Code(
        "threshold in another unit",
        "A threshold is compared with values of another unit than it seems to be meant for: a default of 0.5 "
        "with anomaly scores, which are squared distances and mostly far larger; a probability with logits; a "
        "number outside 0 and 1 with probabilities.",
        "decider: {type: BinaryDecider, parent: rx}   # 0.5 on scores of some hundreds",
    ),
    "W308": Code(
        "value joined with itself",
        "The same value stands more than once among the parents that are joined along the bands. Repeated bands "
        "tell nothing new and make every covariance singular.",
        "rx: {type: RXGlobal, parent: [normalizer, normalizer]}",
    ),
    "W309": Code(
        "statistics of bands that training exchanges",
        "What phase 1 fits behind a trained selector of bands holds for the bands selected at first. Once others "
        "take their places, a node that does not train with it computes with means and covariances of bands it no "
        "longer reads, and its scores are wrong without looking so.",
        "rx: {type: RXGlobal, parent: selector}   # trained, and no `trainable_stats: true` here",
    ),
    "W501": Code(
        "data not seen",
        "The first file of the data is not there, or its header cannot be read, so that nothing can be checked "
        "against its number of bands; or a list or a pattern of ground truth names no file. The data may lie on "
        "another machine; training will look for it again.",
        'datamodule: {type: CubeFiles, train: "*.npz", data_dir: ./data}   # an empty folder',
    ),
    "W502": Code(
        "files are not told apart",
        "A file is listed for two stages, which training refuses; or ground truth is named by a pattern without "
        "`{stem}`, so that one file is that of several cubes.",
        "mask: first_mask.png   # in a folder of several cubes",
    ),
    "W401": Code(
        "target cannot express this", "The graph trains, but `cuvisc export` will refuse this target."
    ),
}


def explain(code: str) -> str | None:
    """The page of a code: title, explanation, example; None when there is no such code."""
    entry = CODES.get(code)
    if entry is None:
        return None
    parts = [f"{code}: {entry.title}", fill(entry.explanation, 88)]
    if entry.example:
        parts += ["For example:", indent(entry.example, "    ")]
    return "\n\n".join(parts)
