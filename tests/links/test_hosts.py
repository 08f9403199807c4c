"""Which addresses may be asked for at all."""

from __future__ import annotations

import pytest

from watchbuddy_core.errors import UnsupportedVideoSource
from watchbuddy_core.protocols import Match
from watchbuddy_core.sources.hosts import USUAL_SITES, HostRule, Link, check_url
from watchbuddy_core.sources.local import LocalSource
from watchbuddy_core.testing import MemorySource


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtu.be/dQw4w9WgXcQ",
        "http://YouTube.com/watch?v=1",
        "https://m.youtube.com:443/watch",
        "https://youtube.com./watch",
        "https://www.bilibili.com/video/BV1xx411c7mD",
        "https://b23.tv/abc",
        "library:a.mp4",
    ],
)
def test_allowed_hosts_pass(url: str) -> None:
    check_url(url, USUAL_SITES)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://vimeo.com/76979871", "vimeo.com"),
        ("https://www.vimeo.com/1", "vimeo.com"),
        ("HTTP://VIMEO.COM", "vimeo.com"),
        ("https://notyoutube.com/", "notyoutube.com"),
        ("https://youtube.com.evil.org/", "youtube.com.evil.org"),
        ("https://youtube.com@evil.org/", "evil.org"),
        ("https://evil.org#@youtube.com/", "evil.org"),
        ("https://evil.org/?youtube.com", "evil.org"),
        ("http://169.254.169.254/?youtube.com", "169.254.169.254"),
        ("http://127.0.0.1:8000/youtube.com", "127.0.0.1"),
        ("http://2130706433/", "2130706433"),
        ("https://user@youtube.com/", "youtube.com"),
        ("http://[::1]/", None),
        ("http://[", None),
        ("https://youtube.com:99999/", None),
        ("https://youtube.com:x/", None),
        ("https://", None),
        ("https:youtube.com", None),
        ("https://youtube.com:8443/", "youtube.com"),
        ("https://youtube.com:0/", "youtube.com"),
        ("https://:secret@youtube.com/", "youtube.com"),
        ("https://@youtube.com/", "youtube.com"),
        ("https://youtube..com/", None),
        ("https://.youtube.com/", None),
        ("https://youtube.com../", None),
        ("https://-youtube.com/", None),
        ("https://youtube.com%2e/", None),
        ("https://xn--yutube-jta.com/", "xn--yutube-jta.com"),
        ("http://0x7f000001/", "0x7f000001"),
        ("http://0177.0.0.1/", "0177.0.0.1"),
        ("http://[::ffff:127.0.0.1]/", None),
        ("http://[fe80::1%25eth0]/", None),
        ("gopher://youtube.com/", None),
        ("HTTPS", None),
        ("//youtube.com/", None),
        ("youtube.com/watch", None),
        ("ftp://youtube.com/", None),
        ("file:///etc/passwd", None),
        ("javascript:alert(1)", None),
        ("ytsearch:cats", None),
        ("data:video/mp4;base64,AAAA", None),
        ("https://evil.org\\@youtube.com/", None),
        ("https://youtube.com\n.evil.org/", None),
        ("https://ｙｏｕｔｕｂｅ.com/", None),
        ("https://yоutube.com/", "xn--yutube-wqf.com"),
        ("https://" + "a" * 300 + ".com/", None),
        ("https://<b>.com/", None),
        ("https://evil.org%2f.youtube.com/", None),
        ("https://evil.org%00.youtube.com/", None),
        ("https://evil.org;.youtube.com/", None),
        ("https://evil.org。.youtube.com/", None),
        ("Library:a.mp4", None),
        ("", None),
    ],
)
def test_everything_else_is_refused_by_its_host(url: str, host: str | None) -> None:
    with pytest.raises(UnsupportedVideoSource) as refused:
        check_url(url, USUAL_SITES)
    assert refused.value.host == host


def test_a_scheme_of_its_own_is_the_business_of_a_source_and_links_are_not() -> None:
    class Everything(MemorySource):
        def match(self, url: str) -> Match:
            return Match.OVERRIDE

    check_url("memory:film", USUAL_SITES, [LocalSource(), MemorySource()])
    for url in ("https://vimeo.com/76979871", "http://127.0.0.1/", "//vimeo.com/1", "film.mp4", ""):
        with pytest.raises(UnsupportedVideoSource):
            check_url(url, USUAL_SITES, [Everything()])
    for url in ("memory:film", "file:///etc/passwd", "other:film"):
        with pytest.raises(UnsupportedVideoSource):
            check_url(url, USUAL_SITES, [LocalSource()])


def test_the_refusal_reads_as_the_api_document_says() -> None:
    with pytest.raises(UnsupportedVideoSource) as refused:
        check_url("https://vimeo.com/76979871", USUAL_SITES)
    assert str(refused.value) == "The provided video URL from 'vimeo.com' is not supported."


@pytest.mark.parametrize(
    ("given", "plain"),
    [
        ("https://Bücher.example/a%20b?c=d#e", "https://xn--bcher-kva.example/a%20b?c=d"),
        ("HTTP://Example.COM.:80/x", "http://example.com/x"),
        (
            "https://example.com/电影?名=一",
            "https://example.com/%E7%94%B5%E5%BD%B1?%E5%90%8D=%E4%B8%80",
        ),
        ("https://example.com/a%20b+c?d=%2F&e=f|g", "https://example.com/a%20b+c?d=%2F&e=f|g"),
        ("https://example.com:8443/", "https://example.com:8443/"),
        ("http://[0:0:0:0:0:0:0:1]:80/", "http://[::1]/"),
    ],
)
def test_one_link_has_one_spelling(given: str, plain: str) -> None:
    assert Link.parse(given).url == plain


@pytest.mark.parametrize(
    ("rule", "url", "allowed"),
    [
        ("example.com", "https://example.com/", True),
        ("example.com", "http://cdn.example.com/", True),
        ("example.com", "http://example.com:8080/", False),
        ("example.com:8080", "http://example.com:8080/", True),
        ("example.com:8080", "http://example.com/", False),
        ("Bücher.example", "https://xn--bcher-kva.example/", True),
        ("xn--bcher-kva.example", "https://bücher.example/", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8000/a.mp4", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8001/a.mp4", False),
        ("127.0.0.1:8000", "http://a.127.0.0.1:8000/a.mp4", False),
        ("127.0.0.1:8000", "http://2130706433:8000/a.mp4", False),
        ("127.0.0.1:8000", "http://localhost:8000/a.mp4", False),
        ("[::1]:8000", "http://[0::1]:8000/a.mp4", True),
        ("[::1]:8000", "http://[::2]:8000/a.mp4", False),
        ("*", "https://anything.example/", True),
        ("*", "https://anything.example:8443/", False),
    ],
)
def test_a_rule_names_a_host_its_subdomains_and_a_port(rule: str, url: str, allowed: bool) -> None:
    assert HostRule.parse(rule).covers(Link.parse(url)) is allowed


@pytest.mark.parametrize(
    "text",
    ["", "http://a.example", "a.example/b", "u@a.example", "a..b", "a:0", "a:x", "::1", "a b"],
)
def test_what_is_no_host_is_no_rule(text: str) -> None:
    with pytest.raises(ValueError, match="is no host"):
        HostRule.parse(text)
