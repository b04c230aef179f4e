"""Whether a server answers, asked in bounded time: names are looked up in a thread that is left behind if it hangs."""

from __future__ import annotations

from http.client import HTTPException
from threading import Thread
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen


def why_unreachable(url: str, seconds: float) -> str | None:
    """None where any answer to a HEAD request comes within `seconds`, else the reason."""
    reasons: list[str | None] = []

    def ask() -> None:
        reasons.append(_ask(url, seconds))

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    return reasons[0] if reasons else f"no answer within {seconds:g} s"


def _ask(url: str, seconds: float) -> str | None:
    try:
        with urlopen(Request(url, method="HEAD"), timeout=seconds):
            return None
    except HTTPError as error:
        error.close()
        return None
    except URLError as error:
        reason = error.reason
        return (reason.strerror if isinstance(reason, OSError) else None) or str(reason)
    except (OSError, HTTPException, ValueError) as error:
        return str(error) or type(error).__name__
