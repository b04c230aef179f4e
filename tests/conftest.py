"""What every test runs under: one thread, no display, no network logger, reproducible property tests."""

from __future__ import annotations

import os

for _name, _value in {"OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", "WANDB_MODE": "disabled"}.items():
    os.environ.setdefault(_name, _value)

from hypothesis import HealthCheck, settings  # noqa: E402 - the environment comes first

settings.register_profile(
    "cuvisc",
    deadline=None,
    derandomize=True,
    print_blob=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("cuvisc")
