"""Patterns for the names of columns, in several languages."""

from __future__ import annotations

import re

# an annotation is a label, unless it has a number or an id
ANNOTATOR_NAME = re.compile(
    r"annot(?!at(?:ed|ions?)(?:$|[._ ](?!\d|id\b|by\b)))|^ann_?\d|rater|worker|coder|judge(?!ment)|"  # english: ok
    r"labell?er|"  # english: ok
    r"(?:annotat|label|cod|rat|tagg|mark|complet)\w*[_ ]?by$|标注",
    re.IGNORECASE,
)

SPEAKER_NAME = re.compile(r"speaker|interlocutor|role|author|^who$|^from$|sender|说话", re.IGNORECASE)

ID_NAME = re.compile(r"(?:_id|[A-Za-z]Id|[a-z]ID|^id|^ID|_ID|_idx|^index|^Unnamed: [\d.]+|^Sr No\.?|编号|序号)$")

GROUP_NAME = re.compile(
    r"group|conversation|^conv|dialog|transcript|session|client|patient|user|thread|question|author|subject|对话|"
    r"participant|respondent|proband|interview|episode|^scene|movie|film|video|clip|recording|document|article|"
    r"gespräch|teilnehm",
    re.IGNORECASE,
)

CONTEXT_NAME = re.compile(r"context|prompt|history|previous|situation", re.IGNORECASE)

# words that are the finer label where a table has several, as emotions beside sentiments
FINE_NAME = re.compile(r"emotion|mood|feel|情绪", re.IGNORECASE)

LABEL_NAME = re.compile(
    r"label|emotion|mood|feel|topic|categor|class|intent|sentiment|tag|target|talk_type|behaviou?r|annotat|gold|"
    r"(?:dialog(?:ue)?|speech)[_ ]?act|affect|stance|polarity|diagnos|disorder|kategorie|gef[üu]hl|stimmung|emoci|"
    r"sentimiento|etiquet|[ée]tiquet|[ée]motion|класс|метка|эмоци|标签|情感|情绪|情緒|类别|類別|感情|ラベル|감정",
    re.IGNORECASE,
)  # fmt: skip

# what the annotators agreed on, beside the label of each
GOLD_NAME = re.compile(
    r"gold|majority|final|consensus|aggregat|adjudicat|ground_?truth|^true_?|corrected", re.IGNORECASE
)

# what a model said, or the label of another turn
PREDICTED_NAME = re.compile(
    r"(?:^|[_. ])(?:pred|auto|machine|model|gpt|llm|silver|weak|prev_|next_|last_)|predicted|prediction|previous",
    re.IGNORECASE,
)

# what describes a row's author or origin
ABOUT_ROW_NAME = re.compile(
    r"(?:^|[_. ])(?:gender|sex|age|lang|language|platform|source|country|region|city|device|domain|dataset|"
    r"corpus|channel|year|month|date|day|time|timestamp|education|occupation|race|ethnicity|marital_?status|fold|"
    r"version|geschlecht|alter|sprache|性别|年龄)(?:$|[_. ](?!label|class))",
    re.IGNORECASE,
)

# counts, places and measures
MEASURE_NAME = re.compile(
    r"(?:^|[_. ])(?:range|position|offset|spans?|start|end|len|length|counts?|upvotes|downvotes|votes|likes|views|"
    r"karma|shares|replies|retweets|confidence|trust|duration|lead_?time|score|n)(?:$|[_. ])",
    re.IGNORECASE,
)

# a column of 0 and 1 that describes the row, not its text
FLAG_NAME = re.compile(
    r"unclear|example|flag|^is_|^has_|valid|spam|verified|deleted|edited|^gold$|^train|^test|agree|sticki|_exists$|"
    r"^(?:fe)?male$|^married$",
    re.IGNORECASE,
)

# what is beside a text: another's words, or the text in another form
BESIDE_TEXT_NAME = re.compile(
    r"context|history|previous|explanation|rationale|justification|reasoning|evidence|lemma|tokens?$|stemm?ed|"
    r"parse|pos_?tags|embedding|vector|instruction|system|file_?name|path$",
    re.IGNORECASE,
)
