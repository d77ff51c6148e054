"""Encodings are told apart by the letters of the language that a file is written in."""

import pytest

from distill.corpora.reading.encodings import likely_encoding, utf8_problem

TEXTS = {
    "ru": "мне очень грустно сегодня, никто не позвонил; я устал от работы",
    "uk": "мені дуже сумно сьогодні, ніхто не подзвонив і дощ іде весь день, їжак є",
    "he": "היום אני עצוב מאוד אף אחד לא התקשר והגשם יורד כל היום",
    "ar": "أنا حزين جدا اليوم لم يتصل أحد والمطر ينزل طوال اليوم",
    "el": "είμαι πολύ λυπημένος σήμερα κανείς δεν τηλεφώνησε και βρέχει όλη μέρα",
    "th": "วันนี้ฉันเศร้ามากไม่มีใครโทรมาฝนตกทั้งวัน เหนื่อยมาก อยากกลับบ้าน",
    "pl": "dziś jest mi bardzo smutno, chcę do domu, jestem zmęczony pracą",
    "cs": "dnes jsem velmi smutný, nikdo nezavolal a prší celý den, domů",
    "tr": "bugün çok üzgünüm, kimse aramadı ve bütün gün yağmur yağıyor",
    "es": "hoy estoy muy triste; nadie llamó, mañana será otro día ¿por qué? niño",
    "pt": "hoje não estou bem, ninguém ligou, amanhã será outro dia, coração",
    "fr": "je suis très triste, personne n'a appelé, déjà fatigué où ça",
    "de": "ich bin heute sehr müde, niemand hat angerufen, größer, schön",
    "lv": "šodien esmu ļoti bēdīgs, neviens nezvanīja",
    "ja": "今日はとても悲しいです。誰からも電話が来ませんでした",
    "ko": "오늘은 정말 슬퍼요 아무도 전화하지 않았어요",
    "zh": "今天我觉得很难过，没有人打电话给我，外面在下雨",
    "en": "I don’t “know” – nobody called…",
}

FILES = [
    *(("ru", name) for name in ("cp1251", "koi8-r", "iso8859-5", "cp866", "mac-cyrillic")),
    *(("uk", name) for name in ("cp1251", "koi8-u")),
    *((language, name) for language in ("pl", "cs") for name in ("cp1250", "iso8859-2")),
    *(("fr", name) for name in ("cp1252", "mac-roman", "cp850")),
    *(("ar", name) for name in ("cp1256", "iso8859-6")),
    *((language, "cp1252") for language in ("es", "pt", "de", "en")),
    ("he", "cp1255"), ("el", "cp1253"), ("th", "cp874"), ("tr", "cp1254"), ("lv", "cp1257"), ("ko", "cp949"),
    ("ja", "iso2022_jp"), ("ja", "shift_jis"), ("ja", "euc_jp"), ("zh", "hz"),
    *((language, "utf-7") for language in ("zh", "ja", "ko", "ru", "ar", "pl", "fr")),
]  # fmt: skip


@pytest.mark.parametrize("beside", ["", "and a line of English "])
@pytest.mark.parametrize(("language", "encoding"), FILES)
def test_each_language_shows_its_encoding(language, encoding, beside):
    rows = "".join(f"{beside}{TEXTS[language]},joy\n" for _ in range(9))
    data = f"text,label\n{rows}".encode(encoding)
    assert utf8_problem(data)
    assert data.decode(likely_encoding(data)) == data.decode(encoding)


@pytest.mark.parametrize(
    "text", ["call +4412345678 or +1800555", "c++ and +abc +wor +abcd", "~{hello~} ~{world~} ~{ok~}", "a +AAA- b"]
)
def test_plus_signs_and_braces_in_english_are_no_encoding(text):
    assert utf8_problem("".join(f"{text} no {i},joy\n" for i in range(99)).encode()) is None


def test_lone_letters_show_no_encoding():
    assert likely_encoding("".join(f"so \xa6 \xb6 many no {i},joy\n" for i in range(9)).encode("latin-1")) is None
