"""What has the shape of personal data is masked, and what only looks a little like it is not."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from distill.corpora.assembly.read import CorpusSpec, read_corpus
from distill.corpora.reading.scrub import PATTERNS, scrub, scrub_value

PIECES = "12345678|http://|www.|u/ab1|@ab|a@b.de|t.me/a|12:30|:30|12|.|-|(|)|+|/|x|_|3.1|2024|000|u| ".split("|")
PIECES += "张|张三|เ|ー|。|＠|．|１２３".split("|")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to jo.smith+x@mail.example.org today", "write to [EMAIL] today"),
        ("JO@EXAMPLE.COM, please", "[EMAIL], please"),
        ("see https://example.org/a?b=c#d.", "see [URL]"),
        ("see www.example.org now", "see [URL] now"),
        ("ask @jo_smith or u/jo-smith", "ask [HANDLE] or [HANDLE]"),
        ("call +49 30 1234567 tonight", "call [PHONE] tonight"),
        ("call (555) 123-4567", "call [PHONE]"),
        ("call 555-123-4567!", "call [PHONE]!"),
        ("call 0171.555.12.34", "call [PHONE]"),
        ("my number is 015112345678", "my number is [NUMBER]"),
        ("insured under 123456", "insured under [NUMBER]"),
        ("émile@exämple.de wrote", "[EMAIL] wrote"),
        ("call 020\u00a07946\u00a00958", "call [PHONE]"),
        ("call 020\u20137946\u20130958", "call [PHONE]"),
        ("call 020\u20117946\u20110958", "call [PHONE]"),
        ("call 020  7946  0958", "call [PHONE]"),
        ("call 1234 5678", "call [PHONE]"),
        ("call (+44) 20 7946 0958", "call [PHONE]"),
        ("call (555)123-4567", "call [PHONE]"),
        ("call 06 12 34 56 78 at 10:30", "call [PHONE] at 10:30"),
        ("call 612 345 678", "call [PHONE]"),
        ("call 0 1 7 0 1 2 3 4 5 6 7", "call [PHONE]"),
        ("IBAN DE89370400440532013000", "IBAN DE[NUMBER]"),
        ("IBAN DE89 3704 0044 0532 0130 00", "IBAN DE[PHONE]"),
        (
            "id12345678 no07911123456, 12345678abc phone_0170123456",
            "id[NUMBER] no[NUMBER], [NUMBER]abc phone_[NUMBER]",
        ),
        ("see twitter.com/john, or t.me/abc", "see [URL] or [URL]"),
        ("RT@john @@john /@john \uff20john", "RT[HANDLE] [HANDLE] /[HANDLE] [HANDLE]"),
        ("@john.doe, @john-doe. @anna.müller!", "[HANDLE], [HANDLE]. [HANDLE]!"),
        (f"{'a' * 80}@example.org wrote", "[EMAIL] wrote"),
        ("jo\uff20example.org wrote", "[EMAIL] wrote"),
        ("jo@example.org/x", "[EMAIL]/x"),
        ("张三@b.org", "[EMAIL]"),
        ("jo@例子.中国 写的", "[EMAIL] 写的"),
        ("@张三 你好", "[HANDLE] 你好"),
        ("见 http://例子.中国/路", "见 [URL]"),
        ("见 例子.com/x。", "见 [URL]。"),
        ("他说：“https://example.org/a”，真的", "他说：“[URL]”，真的"),
        ("看www.example.org（好）", "看[URL]（好）"),
        ("ｊｏ＠ｅｘａｍｐｌｅ．ｏｒｇです", "[EMAIL]です"),
        ("電話は（０３）１２３４－５６７８です", "電話は[PHONE]です"),
        ("電話は090ー1234ー5678です", "電話は[PHONE]です"),
        ("ＱＱ１２３４５６７谢谢", "ＱＱ[NUMBER]谢谢"),
    ],
)
def test_shapes_are_masked(text: str, masked: str) -> None:
    assert scrub(text)[0] == masked


@pytest.mark.parametrize(
    "text",
    [
        "i am 25 and 7 months in",
        "in 2019 it was 3.5 % of 12,000",
        "on 12/03/2021 at 10:30",
        "on 2021-03-12 we met",
        "from 2019-2020 and 2021 - 2023",
        "5 - 10 - 15 push ups",
        "@ 5 pm, 10/10 would go",
        "and/or he/she w/o",
        "say 1 2 3 4 and breathe",
        "what? no... yes!!",
        "on 2024-01-02 12:30 and 9:30 2024-01-02",
        "in 2023 2024 2025",
        "pi is 3.14159265",
        "30 40 50 60",
        "10 000 000 people",
        "123,456,789",
        "２０２４－０１－０２ １２：３０ 和 ９：３０ ２０２４－０１－０２",
        "@5点见，不见不散",
        "",
    ],
)
def test_what_tells_nobody_apart_stays(text: str) -> None:
    assert scrub(text) == (text, {})


# letters, marks and punctuation of scripts without blanks, none of which is part of an address in other letters
LETTERS = "我的邮箱是请联系で連絡まで칸에로보내หมายถึงที่ຂອງမြန်ខ្មែរｱｲ𠀀"
AROUND = st.text(LETTERS + "。，、！：；「」（）“”？", min_size=1, max_size=8)


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("email", "jo.smith+x@mail.example.org"),
        ("email", "jo＠example.org"),
        ("url", "https://example.org/a?b=c#d"),
        ("url", "www.example.org/x"),
        ("url", "t.me/abc"),
        ("handle", "@jo_smith"),
        ("handle", "＠jo"),
        ("handle", "u/abc_def"),
        ("phone", "+49 30 1234567"),
        ("phone", "138-1234-5678"),
        ("phone", "０９０－１２３４－５６７８"),
        ("number", "13812345678"),
        ("number", "１３８１２３４５６７８"),
    ],
)
@given(AROUND, AROUND)
def test_nothing_around_it_is_masked_where_no_blank_stands(kind: str, item: str, before: str, after: str) -> None:
    assert scrub(before + item + after) == (f"{before}[{kind.upper()}]{after}", {kind: 1})


@given(st.text() | st.text("a1u.@/:- +()w_张เー＠．１") | st.lists(st.sampled_from(PIECES)).map("".join))
@example("HTTP://＠00")
@example("a.bc/（030）1234567")
@example("www.．a@b.c")
def test_a_scrubbed_text_is_clean(text: str) -> None:
    once, found = scrub(text)
    assert scrub(once)[0] == once
    assert set(found) <= {kind for kind, _ in PATTERNS}
    assert (once == text) == (not found)


@pytest.mark.parametrize(
    "part",
    [
        "a@",
        "1 ",
        "a.",
        "@",
        "www.",
        "(1",
        "1-",
        "u/",
        "http://",
        "+1.",
        "x@y.",
        "1) (1",
        "a-",
        "1",
        "1.",
        "12:",
        "a.bc",
        "@-",
        "1  ",
        "张",
        "张a.",
        "张@a.",
        "张u/",
        "a＠张.",
        "x．",
    ],
)
def test_a_long_line_takes_no_time(part: str) -> None:
    scrub(part * (200_000 // len(part)))  # linear takes 0.2 s, and a square of it hours: the test would be killed


def test_cells_are_scrubbed_at_any_depth() -> None:
    value = {
        "a@b.de": ["call 555-123-4567", {"n": 12345678, "f": 1701234567.0, "small": 17, "none": None, "yes": True}]
    }
    assert scrub_value(value) == {
        "[EMAIL]": ["call [PHONE]", {"n": "[NUMBER]", "f": "[NUMBER]", "small": 17, "none": None, "yes": True}]
    }


def test_nothing_is_stored_before_it_is_scrubbed(tmp_path) -> None:  # type: ignore[no-untyped-def]
    rows = [
        {"text": f"mail me at person{row}@example.org, line {row}", "labels": "ab"[row % 2]} for row in range(40)
    ]
    rows.append({"text": ["person@example.org"], "labels": "a"})
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    spec = CorpusSpec(
        str(path), "single_label", ("text",), "labels", scrub=True, on_bad_row="quarantine", leaks="keep"
    )
    corpus, bad = read_corpus(spec, seed=1)
    texts = [text for _, split in corpus.splits() for text in split.texts]
    assert len(texts) == 40
    assert all(text.startswith("mail me at [EMAIL], line ") for text in texts)
    assert (corpus.notes["scrubbed_emails"], corpus.notes["scrubbed_phones"]) == (40, 0)
    assert "example.org" not in bad.write(tmp_path / "run").read_text()
    assert (
        "scrubbed_emails"
        not in read_corpus(
            CorpusSpec(str(path), "single_label", ("text",), "labels", on_bad_row="quarantine"), seed=1
        )[0].notes
    )
