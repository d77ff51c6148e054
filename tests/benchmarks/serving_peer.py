"""A service of a peer: FastAPI or LitServe around a transformers pipeline with a bundle's graph.

    PEERS_ENV/bin/python tests/benchmarks/serving_peer.py fastapi|litserve BUNDLE PORT

PEERS_ENV has fastapi, uvicorn, httptools and litserve beside this project's packages, and is never `dev`.
"""

import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from litserve import LitAPI, LitServer
from pydantic import BaseModel


def pipeline_of(bundle: Path) -> Any:
    from optimum.onnxruntime import ORTModelForSequenceClassification
    from transformers import AutoTokenizer, pipeline

    file = json.loads((bundle / "manifest.json").read_text())["model_file"]
    model = ORTModelForSequenceClassification.from_pretrained(
        bundle, subfolder="onnx", file_name=Path(file).name, local_files_only=True
    )
    tokenizer = AutoTokenizer.from_pretrained(bundle)
    return pipeline("text-classification", model=model, tokenizer=tokenizer, top_k=None)


class Request(BaseModel):
    text: str


def fastapi(bundle: Path, port: int) -> None:
    app, classify = FastAPI(), pipeline_of(bundle)

    @app.post("/predict")
    def predict(request: Request) -> list[dict[str, Any]]:
        return list(classify([request.text])[0])

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


class Api(LitAPI):  # LitServe starts its worker in a process of its own, which must find the class
    def __init__(self, bundle: Path) -> None:
        super().__init__()
        self.bundle = bundle

    def setup(self, device: str) -> None:
        self.classify = pipeline_of(self.bundle)

    def decode_request(self, request: dict[str, str]) -> str:
        return request["text"]

    def predict(self, text: str) -> Any:
        return self.classify([text])[0]

    def encode_response(self, output: Any) -> Any:
        return {"scores": output}


def litserve(bundle: Path, port: int) -> None:
    LitServer(Api(bundle), accelerator="cpu", workers_per_device=1).run(
        host="127.0.0.1", port=port, log_level="error", generate_client_file=False
    )


def main() -> None:
    kind, bundle, port = sys.argv[1:]
    {"fastapi": fastapi, "litserve": litserve}[kind](Path(bundle), int(port))


if __name__ == "__main__":
    main()
