"""A spec to a typed graph: wiring, then types and units, then leaves, then targets and remarks.

Everything that is wrong is reported in one go; a wrong node silences what depends on it. Pure Python: never torch or
numpy, so that `cuvisc validate` answers at once.
"""

from __future__ import annotations

from collections.abc import Iterable

from cuvisc.compiler.attach import attach_leaves
from cuvisc.compiler.bands import data_use, declared_bands
from cuvisc.compiler.constraints import check_constraints
from cuvisc.compiler.contradictions import check_contradictions
from cuvisc.compiler.expectations import check_expectations
from cuvisc.compiler.graph import INPUT, TypedGraph
from cuvisc.compiler.infer import Inference
from cuvisc.compiler.logged import check_monitored
from cuvisc.compiler.outdated import check_outdated
from cuvisc.compiler.references import References
from cuvisc.compiler.remarks import check_targets, check_use
from cuvisc.compiler.sizes import Size
from cuvisc.compiler.wiring import wire
from cuvisc.language.spectrum import Spectrum
from cuvisc.schema.catalogue import Catalogue
from cuvisc.schema.diagnostics import Diagnostics
from cuvisc.schema.spec import Spec
from cuvisc.schema.spelling import spelled_name


def check_graph(
    spec: Spec,
    catalogue: Catalogue,
    diagnostics: Diagnostics,
    *,
    channels: Size | None = None,
    spectrum: Spectrum | None = None,
    targets: Iterable[str] = (),
) -> TypedGraph | None:
    """The graph that a spec means, None when it means none; findings are added to `diagnostics`.

    Of a spec with doubtful entries (`read_spec`) everything else is checked, and there is no graph.
    `channels` is the number of bands as the data has it; without it, as the data module declares it. `spectrum` is what
    the data says of them, None where that is not known. What a target
    in `targets` cannot express is an error; what another target cannot express is a warning.
    """
    own = Diagnostics(diagnostics.sources)
    graph = _check(spec, catalogue, own, channels, spectrum, targets)
    for finding in own:
        diagnostics.add(finding)
    return None if own.has_errors else graph


def _check(
    spec: Spec,
    catalogue: Catalogue,
    diagnostics: Diagnostics,
    channels: Size | None,
    spectrum: Spectrum | None,
    targets: Iterable[str],
) -> TypedGraph | None:
    references = References(spec, catalogue, diagnostics)
    wiring = wire(references)
    inference = Inference(references, wiring, channels or declared_bands(spec, catalogue), spectrum)
    inference.run()
    leaves = tuple(attach_leaves(inference))
    data = data_use(spec, catalogue)
    check_constraints([data] if data is not None else [], inference.sizes, diagnostics)
    if diagnostics.has_errors or spec.doubtful:
        return None
    graph = TypedGraph(
        name=spelled_name(spec),
        input=inference.port(inference.values[INPUT]),
        nodes=tuple(inference.nodes()),
        outputs=wiring.outputs,
        leaves=leaves,
        spec=spec,
    )
    check_targets(graph, catalogue, targets, diagnostics)
    check_use(graph, diagnostics)
    check_outdated(graph, diagnostics)
    check_expectations(graph, catalogue, diagnostics)
    check_contradictions(graph, diagnostics)
    check_monitored(graph, catalogue, diagnostics)
    return graph
