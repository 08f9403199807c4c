"""Subtitles as people have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from watchbuddy_core.understanding.languages import language_in
from watchbuddy_core.understanding.subtitles import guess_language, read_subtitles
from watchbuddy_core.video import Cue

CHINESE = (
    "1\n00:00:27,000 --> 00:00:30,730\n宇宙守护神 保护着我们\n\n"
    "2\n00:00:31,000 --> 00:00:33,000\n你在哪里？\n"
)
FRENCH = "1\n00:00:01,000 --> 00:00:02,000\nOù est le café ? Il était là-bas, à côté de l'hôtel.\n"


def read(tmp_path: Path, name: str, content: bytes | str) -> tuple[Cue, ...]:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_subtitles(path)


@pytest.mark.parametrize(
    "encoded",
    [
        CHINESE.encode(),
        CHINESE.encode("utf-8-sig"),
        CHINESE.encode("utf-16"),
        b"\xfe\xff" + CHINESE.encode("utf-16-be"),
        CHINESE.encode("gb18030"),
        CHINESE.replace("\n", "\r\n").encode(),
    ],
    ids=["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "gb18030", "crlf"],
)
def test_chinese_is_read_in_every_usual_encoding(tmp_path: Path, encoded: bytes) -> None:
    first, second = read(tmp_path, "a.srt", encoded)
    assert first == Cue(start=27.0, end=30.73, text="宇宙守护神 保护着我们")
    assert second.text == "你在哪里？"


def test_western_text_in_an_old_encoding_is_read(tmp_path: Path) -> None:
    (cue,) = read(tmp_path, "a.srt", FRENCH.encode("cp1252"))
    assert cue.text.startswith("Où est le café")


def test_english_and_chinese_together_in_a_chinese_encoding_are_read(tmp_path: Path) -> None:
    both = "1\n00:00:01,000 --> 00:00:02,000\nI have been waiting here for a long time.\n我等你\n"
    (cue,) = read(tmp_path, "a.srt", both.encode("gb18030"))
    assert cue.text == "I have been waiting here for a long time. 我等你"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_two_bytes_a_letter_need_no_mark(tmp_path: Path, encoding: str) -> None:
    content = "1\n00:00:01,000 --> 00:00:02,000\nHello\n".encode(encoding)
    (cue,) = read(tmp_path, "a.srt", content)
    assert cue.text == "Hello"


@pytest.mark.parametrize(
    ("line", "text", "sounds"),
    [
        ("We are (almost) there.", "We are (almost) there.", ()),
        ("(sighs) We are there.", "We are there.", ("sighs",)),
        ("We are there. (cheering)", "We are there.", ("cheering",)),
        ("(door opens\nand closes)", "", ("door opens and closes",)),
        ("We're #1!", "We're #1!", ()),
        ("# la la la #", "la la la", ("♪",)),
        ("（笑声）【音乐】你好", "你好", ("音乐", "笑声")),
    ],
)
def test_brackets_name_sounds_only_where_they_stand_apart(
    tmp_path: Path, line: str, text: str, sounds: tuple[str, ...]
) -> None:
    (cue,) = read(tmp_path, "a.srt", f"1\n00:00:01,000 --> 00:00:02,000\n{line}\n")
    assert (cue.text, cue.sounds) == (text, sounds)


def test_what_is_heard_is_told_from_what_is_said_and_by_whom(tmp_path: Path) -> None:
    cues = read(
        tmp_path,
        "a.srt",
        "1\n00:00:01,000 --> 00:00:02,000\n[door slams] Who is there?\n\n"
        "2\n00:00:03,000 --> 00:00:04,000\n(LAUGHS)\n\n"
        "3\n00:00:05,000 --> 00:00:06,000\n♪ la la la ♪\n\n"
        "4\n00:00:07,000 --> 00:00:08,000\nMARIA: <i>I know</i> &amp; I go.\n\n"
        "5\n00:00:09,000 --> 00:00:10,000\n- Yes.\n- No.\n\n"
        "6\n00:00:11,000 --> 00:00:12,000\n【掌声】小明：你好\n\n"
        "7\n00:00:13,000 --> 00:00:14,000\n\n\n"
        "8\n00:00:15,000 --> 00:00:14,000\nbackwards\n",
    )
    assert [(cue.text, cue.speaker, cue.sounds) for cue in cues] == [
        ("Who is there?", None, ("door slams",)),
        ("", None, ("laughs",)),
        ("la la la", None, ("♪",)),
        ("I know & I go.", "Maria", ()),
        ("Yes. No.", None, ()),
        ("小明：你好", None, ("掌声",)),
    ]


def test_webvtt_with_settings_notes_and_short_times_is_read(tmp_path: Path) -> None:
    cues = read(
        tmp_path,
        "a.vtt",
        "WEBVTT - a title\n\nNOTE a remark\n\nSTYLE\n::cue { color: red }\n\n"
        "intro\n00:01.000 --> 00:02.500 align:start position:0%\n<v Roger>Hello <b>there</b>\n\n"
        "01:00:00.000 --> 01:00:01.000\nMuch later\n",
    )
    assert cues == (
        Cue(start=1.0, end=2.5, text="Hello there", speaker="Roger"),
        Cue(start=3600.0, end=3601.0, text="Much later"),
    )


def test_captions_that_roll_up_are_merged_into_what_is_newly_said(tmp_path: Path) -> None:
    cues = read(
        tmp_path,
        "a.vtt",
        "WEBVTT\n\n"
        "00:00:01.000 --> 00:00:03.000\nhello<00:00:01.500><c> everybody</c>\n\n"
        "00:00:03.000 --> 00:00:03.010\nhello everybody\n\n"
        "00:00:03.010 --> 00:00:05.000\nhello everybody\nand<00:00:03.500><c> welcome</c>\n",
    )
    assert [cue.text for cue in cues] == ["hello everybody", "and welcome"]


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"WEBVTT\n\nnonsense", b"1\n2\n3\n", b"\xff\xfe", b"{}"]
)
def test_what_makes_no_sense_has_no_cues(tmp_path: Path, content: bytes) -> None:
    assert read(tmp_path, "a.srt", content) == ()
    assert read(tmp_path, "a.vtt", content) == ()


def test_so_much_of_a_file_is_read_as_any_film_has_of_subtitles(tmp_path: Path) -> None:
    said = "".join(
        f"{i}\n00:00:{i:02},000 --> 00:00:{i:02},900\n{'Ah. ' * 250_000}\n\n" for i in range(1, 5)
    )
    assert [cue.start for cue in read(tmp_path, "a.srt", said)] == [1.0, 2.0, 3.0]


def test_the_language_is_guessed_from_the_script() -> None:
    def cues(text: str) -> list[Cue]:
        return [Cue(start=0.0, end=1.0, text=text)] * 3

    assert guess_language(cues("宇宙守护神保护着我们每一个人")) == "zh"
    assert guess_language(cues("That is what you and I have to do in the end")) == "en"
    assert guess_language(cues("ここはとてもきれいなところですね")) == "ja"
    assert guess_language(cues("Das ist nicht das was wir wollten")) is None
    assert guess_language([]) is None


@pytest.mark.parametrize("text", ["Hello there. Come here!", "How far is the sea? Run, Pip! Run!"])
def test_a_few_english_words_are_enough(text: str) -> None:
    assert guess_language([Cue(start=0.0, end=1.0, text=text)]) == "en"


@pytest.mark.parametrize(
    "text",
    [
        "Je ne sais pas ce que tu veux. On y va.",
        "No sé qué quieres decir. Vamos ahora.",
        "Ik weet het niet, we zijn er, is het?",
        "Non lo so, ma è così. Come va?",
        "Was ist das hier? Komm her, ich will dich sehen!",
    ],
)
def test_its_neighbours_are_not_taken_for_english(text: str) -> None:
    assert guess_language([Cue(start=0.0, end=1.0, text=text)]) is None


# --- other formats -------------------------------------------------------------------------

ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n"
    "Style: Default,Arial,16\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    "Dialogue: 0,0:00:01.00,0:00:02.50,Default,Anna,0,0,0,,"
    "{\\i1}Where{\\i0} are we\\Ngoing? [sighs]\n"
    "Comment: 0,0:00:01.00,0:00:02.50,Default,,0,0,0,,a note of the translator\n"
    "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 10 10{\\p0}\n"
    "Dialogue: 0,0:01:05.25,0:01:06.00,Default,,0,0,0,,（笑）好的\n"
)
TTML = (
    '<?xml version="1.0" encoding="UTF-8"?>\n<!-- made by hand -->\n'
    '<tt xmlns="http://www.w3.org/ns/ttml" xml:lang="en"><body><div>'
    '<p begin="00:00:01.000" end="00:00:02.500">Where are we<br/>going?</p>'
    '<p begin="00:01:05.250" end="00:01:06.000">To the <span>sea</span>.</p>'
    "</div></body></tt>"
)


@pytest.mark.parametrize("name", ["a.ass", "a.ssa", "a.srt", "a.mp4"])
def test_ass_is_read_by_its_content_with_its_speakers(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, name, ASS) == (
        Cue(start=1, end=2.5, text="Where are we going?", speaker="Anna", sounds=("sighs",)),
        Cue(start=65.25, end=66, text="好的", sounds=("笑",)),
    )


def test_ttml_is_read(tmp_path: Path) -> None:
    said = [(cue.start, cue.end, cue.text) for cue in read(tmp_path, "a.ttml", TTML)]
    assert said == [(1, 2.5, "Where are we going?"), (65.25, 66, "To the sea.")]


@pytest.mark.parametrize(
    "entities",
    [
        '<!DOCTYPE tt [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE tt [<!ENTITY a SYSTEM "file:///etc/hostname">]>',
        '<!DOCTYPE tt SYSTEM "http://127.0.0.1:1/tt.dtd">',
    ],
)
def test_what_could_grow_or_read_other_files_is_not_read(tmp_path: Path, entities: str) -> None:
    text = TTML.replace("<!-- made by hand -->", entities).replace("going", "&a;")
    assert read(tmp_path, "a.ttml", text) == ()


@pytest.mark.parametrize(
    "text", ["<tt><body>", "<html><body>no</body></html>", "[Events]\nDialogue: x", "[Script Info]"]
)
def test_what_only_looks_like_another_format_has_no_cues(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, "a.srt", text) == ()


SAID = {
    "gb18030": "我们到底要去哪里？灯塔离这里还很远。",
    "big5": "我們到底要去哪裡？燈塔離這裡還很遠。",
    "shift_jis": "いったいどこへ行くの？灯台はまだ遠いよ。",
    "euc_jp": "いったいどこへ行くの？灯台はまだ遠いよ。",
    "cp1251": "Куда мы идём? До маяка ещё далеко.",
    "koi8-r": "Куда мы идём? До маяка ещё далеко.",
    "cp1252": "Où allons-nous ? Le phare est loin, là-bas.",
    "cp949": "우리 도대체 어디로 가는 거야? 등대는 아직 멀었어.",
    "utf-8": "Où allons-nous ? Das Geräusch. 我们走吧。",
    "utf-8-sig": "Où allons-nous ? Das Geräusch. 我们走吧。",
    "utf-16": "Où allons-nous ? Das Geräusch. 我们走吧。",
    "utf-16-le": "Où allons-nous ? Das Geräusch. 我们走吧。",
    "utf-16-be": "Où allons-nous ? Das Geräusch. 我们走吧。",
}


@pytest.mark.parametrize("lines", [1, 20])
@pytest.mark.parametrize("encoding", SAID)
def test_every_usual_encoding_is_told_from_the_others(
    tmp_path: Path, encoding: str, lines: int
) -> None:
    text = "".join(
        f"{i}\n00:00:{i:02},000 --> 00:00:{i:02},900\n{SAID[encoding]}\n\n" for i in range(lines)
    )
    found = read(tmp_path, "a.srt", text.encode(encoding))
    assert [cue.text for cue in found] == [SAID[encoding]] * lines


def test_a_stray_byte_does_not_make_utf_8_something_else(tmp_path: Path) -> None:
    text = (
        "1\n00:00:01,000 --> 00:00:02,000\n我们到底要去哪里？灯塔离这里还很远。\n\n" * 9
    ).encode()
    cues = read(tmp_path, "a.srt", text[:40] + b"\xff" + text[40:-2])
    assert "灯塔离这里还很远" in cues[0].text


# --- which file, which language ------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("en", "en"),
        ("eng.forced", "en"),
        ("English", "en"),
        ("zh-Hans", "zh"),
        ("chs", "zh"),
        ("简体", "zh"),
        ("pt_BR", "pt"),
        ("final.de", "de"),
        ("final", None),
        ("sdh", None),
        ("2160p", None),
        ("", None),
    ],
)
def test_a_name_tells_the_language_only_where_it_is_one(name: str, language: str | None) -> None:
    assert language_in(name) == language
