"""The recipe's tables of teachers that read instead of learning: [verbaliser] and [endpoint]."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from distill.recipe.section import Section

PLACE = "{text}"

# names in braces, which look like places
PLACES = re.compile(r"\{[a-z_]+\}")

# a model that continues a prompt needs to be led to the label
USUAL_PROMPT, USUAL_ENDING = "Text: {text}", "Text: {text}\nLabel:"

Words = Annotated[list[Annotated[str, Field(min_length=1)]], Field(min_length=1)]


class VerbaliserRecipe(Section):
    """[verbaliser]: what a language model is asked about each text (teacher.kind = verbaliser or endpoint)."""

    prompt: str = Field(
        USUAL_PROMPT,
        description="Prompt with one {text}, which the row's text replaces; a verbaliser's label follows it.",
    )
    definitions: dict[str, str] = Field(
        {}, description="Codebook: label = one sentence on when it applies, with examples; shown before the text."
    )
    words: dict[str, Words] = Field(
        {}, description="Words for a label: label = [words]; by default its name. An endpoint shows the first one."
    )
    shots: int = Field(
        0, ge=0, le=64, description="Number of train rows per label that the prompt shows with their labels."
    )
    calibration: Literal["none", "content_free", "batch", "affine"] | None = Field(
        None,
        description="Prior that is taken out of the scores: none, that of texts without content, the mean over "
        "validation texts (batch), or a fit to labelled validation rows (affine); by default batch, and none for "
        "multi_label.",
    )

    @field_validator("prompt")
    @classmethod
    def _one_place(cls, prompt: str) -> str:
        if prompt.count(PLACE) != 1:
            raise ValueError(f"The prompt must have {PLACE} once, and has it {prompt.count(PLACE)} times. Add it.")
        others = [place for place in PLACES.findall(prompt) if place != PLACE]
        if others:
            raise ValueError(
                f"Nothing replaces {others[0]} in the prompt; {PLACE} alone is replaced, by the row. Remove it."
            )
        return prompt

    compared_rows: int = Field(
        1000,
        ge=0,
        le=1_000_000,
        description="Number of labelled train rows that TF-IDF and student.base learn from, to be shown beside "
        "the language model on validation; 0 compares nothing.",
    )

    def asked(self) -> dict[str, object]:
        """Return the keys that a model's raw scores depend on: all but calibration and comparison."""
        return self.model_dump(mode="json", exclude={"calibration", "compared_rows"})


class EndpointRecipe(Section):
    """[endpoint]: an OpenAI-compatible server (teacher.kind = endpoint, or augmentation by rewrite and write)."""

    url: str = Field(
        "http://127.0.0.1:8080/v1", description="Address of the server through its /v1; http or https."
    )
    model: str = Field(min_length=1, description="Name of the model, as the server knows it.")
    concurrency: int = Field(8, ge=1, le=256, description="Number of requests at a time.")
    retries: int = Field(5, ge=0, le=20, description="Number of further attempts at a failed request.")
    timeout_s: float = Field(60, gt=0, le=3600, description="Seconds without any byte before an attempt fails.")
    key_env: str | None = Field(
        None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Environment variable with the key; the key itself is never stored.",
    )
    samples: int = Field(
        5,
        ge=1,
        le=100,
        description="Number of sampled answers per question of a server without log-probabilities.",
    )
    allow_remote: bool = Field(
        False, description="Send texts to another machine; personal data in them is masked first."
    )

    def asked(self) -> dict[str, object]:
        """Return the keys that the server's answers depend on."""
        return self.model_dump(mode="json", include={"model", "samples", "allow_remote"})
