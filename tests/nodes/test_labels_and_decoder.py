"""Label mapping, and linear reconstruction against numpy.linalg.lstsq."""

import numpy as np
import pytest
import torch
from fitted_graphs import fitted, moments, spectra

from cuvisc.language.declare import ParameterError
from cuvisc.language.node import FitError
from cuvisc.nodes import BinaryAnomalyLabelMapper, LinearDecoder

CUBE = spectra(2, 9, 11, 6, seed="decoder")
LABELS = torch.tensor([0, 1, 2, 3, 2, 7])


def test_listed_anomalies() -> None:
    node = BinaryAnomalyLabelMapper(normal_class_ids=[0, 1], anomaly_class_ids=[2, 7])
    assert node.map_labels(LABELS).tolist() == [0, 0, 1, 0, 1, 1]


def test_everything_that_is_not_normal() -> None:
    node = BinaryAnomalyLabelMapper(normal_class_ids=[0, 2])
    assert node.map_labels(LABELS).tolist() == [0, 1, 0, 1, 0, 1]


def test_no_listed_anomaly() -> None:
    """An empty list is a list: nothing is anomalous."""
    node = BinaryAnomalyLabelMapper(normal_class_ids=[0], anomaly_class_ids=[])
    assert node.map_labels(LABELS).sum() == 0


def test_both_normal_and_anomalous() -> None:
    with pytest.raises(ParameterError) as caught:
        BinaryAnomalyLabelMapper(normal_class_ids=[0, 3], anomaly_class_ids=[3])
    assert str(caught.value) == "BinaryAnomalyLabelMapper: class 3 is both normal and anomalous"


def decoder(codes: np.ndarray, cube: np.ndarray = CUBE) -> LinearDecoder:
    node = LinearDecoder()
    node.bind({"K": codes.shape[-1], "C": cube.shape[-1]})
    node.fit(moments(np.concatenate([codes, cube], axis=-1)))
    return node


def test_least_squares() -> None:
    """Weight and bias are the least squares solution over the training pixels."""
    random = np.random.default_rng(1)
    codes = (CUBE.astype(np.float64) ** 2) @ random.standard_normal((6, 3)) * [1.0, 1e3, 1e-3] + 5
    design = np.c_[codes.reshape(-1, 3), np.ones(CUBE[..., 0].size)]
    solution = np.linalg.lstsq(design, CUBE.reshape(-1, 6).astype(np.float64), rcond=None)[0]
    node = decoder(codes)
    found = node(torch.from_numpy(codes), torch.from_numpy(CUBE)).numpy()
    np.testing.assert_allclose(found.reshape(-1, 6), design @ solution, rtol=1e-5)


def test_the_inverse_of_a_complete_pca() -> None:
    text = """
    nodes:
      pca: {type: TrainablePCA, n_components: 6}
      decoder: {type: LinearDecoder, inputs: {codes: pca, cube: input}}
    """
    module = fitted(text, CUBE)
    found = module(torch.from_numpy(CUBE))["decoder.reconstruction"].detach().numpy()
    np.testing.assert_allclose(found, CUBE, rtol=1e-4, atol=1e-5)


def test_a_code_without_information() -> None:
    """A constant code takes no part; codes that do not vary at all are an error."""
    codes = np.concatenate([CUBE[..., :2], np.full_like(CUBE[..., :1], 3.0)], axis=-1)
    node = decoder(codes)
    assert torch.isfinite(node.weight).all()
    expected = decoder(codes[..., :2])
    x = torch.from_numpy(CUBE)
    np.testing.assert_allclose(
        node(torch.from_numpy(codes), x).detach(),
        expected(torch.from_numpy(codes[..., :2]), x).detach(),
        rtol=1e-4,
    )
    with pytest.raises(FitError) as caught:
        decoder(np.ones_like(codes))
    assert str(caught.value) == "the codes do not vary: nothing can be reconstructed from them"
