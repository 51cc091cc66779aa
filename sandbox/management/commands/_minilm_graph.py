"""The ONNX graph of all-MiniLM-L6-v2 with weights stored in 8 bits: token ids in, unit vectors out.

Each weight is an unsigned 8-bit number with one scale for each output column (each row of the word table). The product is
computed at full precision: ONNX Runtime unpacks the weights once, when it loads the file. Computing in 8 bits too was three
times as fast for one short text, but the cosine with the original fell to 0.98 (one scale serves a whole input there, so
texts of one batch would also change each other). Only operators of the standard set are used.
"""

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from sandbox.management.commands._minilm_reference import EPSILON, HEADS, LAYERS, MAX_TOKENS, WIDTH, Floats, Weights

OPSET = 20
IR_VERSION = 10
HEAD_WIDTH = WIDTH // HEADS
MIDDLE = 128
"""The stored number that stands for zero."""


class GraphBuilder:
    """Collects nodes and constants; every method returns the name of what it computes."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}

    def op(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: object, dtype: type[np.generic] = np.float32) -> str:
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.array(value, dtype=dtype, order="C"), name)
        return name

    # --- the model, from its inputs to its output -------------------------------------------------

    def embedding(self, ids: str, mask: str) -> str:
        """Unit vectors (texts, 384) of token ids (texts, tokens) and their mask, 1 for a token and 0 for padding."""
        real_mask = self.op("Cast", mask, to=TensorProto.FLOAT)
        state = self.token_embeddings(ids)
        hidden = self.hidden_scores(real_mask)
        for layer in range(LAYERS):
            state = self.layer(state, hidden, f"encoder.layer.{layer}.")
        return self.unit_mean(state, real_mask)

    def token_embeddings(self, ids: str) -> str:
        """Word, place and kind of each token, summed and normalised; only the rows in use are unpacked."""
        stored, scale = quantise(self.weights["embeddings.word_embeddings.weight"].T)
        rows = self.op("Gather", self.constant("words", stored.T, np.uint8), ids)
        scales = self.op("Gather", self.constant("words_scale", scale[:, None]), ids)
        words = self.op("Mul", self.centred(rows), scales)
        kind = self.weights["embeddings.token_type_embeddings.weight"][0]
        places = self.weights["embeddings.position_embeddings.weight"][:MAX_TOKENS] + kind
        begin, step = self.constant("zero", [0], np.int64), self.constant("one", [1], np.int64)
        length = self.op("Shape", ids, start=1, end=2)
        here = self.op("Slice", self.constant("places", places), begin, length, begin, step)
        return self.normalised("embeddings.LayerNorm.", self.op("Add", words, here))

    def hidden_scores(self, mask: str) -> str:
        """What is added to attention scores, (texts, 1, 1, tokens): 0 for a token, a large negative number for padding."""
        absent = self.op("Sub", self.constant("present", 1.0), mask)
        axes = self.constant("score_axes", [1, 2], np.int64)
        return self.op("Mul", self.op("Unsqueeze", absent, axes), self.constant("never", -1e9))

    def layer(self, state: str, hidden: str, name: str) -> str:
        attended = self.dense(f"{name}attention.output.dense.", self.attention(state, hidden, f"{name}attention.self."))
        state = self.normalised(f"{name}attention.output.LayerNorm.", self.op("Add", state, attended))
        inner = self.op("Gelu", self.dense(f"{name}intermediate.dense.", state))
        outer = self.dense(f"{name}output.dense.", inner)
        return self.normalised(f"{name}output.LayerNorm.", self.op("Add", state, outer))

    def attention(self, state: str, hidden: str, name: str) -> str:
        """Query, key and value come from one product with their weights side by side."""
        parts = [f"{name}{part}." for part in ("query", "key", "value")]
        weight = np.concatenate([self.weights[f"{part}weight"].T for part in parts], axis=1)
        bias = np.concatenate([self.weights[f"{part}bias"] for part in parts])
        together = self.product(state, f"{name}qkv.", weight, bias)
        split = self.op("Reshape", together, self.constant("split", [0, 0, 3, HEADS, HEAD_WIDTH], np.int64))
        by_head = self.op("Transpose", split, perm=[2, 0, 3, 1, 4])
        query, key, value = (self.op("Gather", by_head, self.constant(f"part_{i}", i, np.int64), axis=0) for i in range(3))
        scores = self.op("MatMul", query, self.op("Transpose", key, perm=[0, 1, 3, 2]))
        scaled = self.op("Mul", scores, self.constant("score_scale", HEAD_WIDTH**-0.5))
        mixed = self.op("MatMul", self.op("Softmax", self.op("Add", scaled, hidden), axis=-1), value)
        joined = self.op("Transpose", mixed, perm=[0, 2, 1, 3])
        return self.op("Reshape", joined, self.constant("joined", [0, 0, WIDTH], np.int64))

    def unit_mean(self, state: str, mask: str) -> str:
        """The mean over the tokens of each text, scaled to length 1 (which makes dividing by their number needless)."""
        weighted = self.op("Mul", state, self.op("Unsqueeze", mask, self.constant("last_axis", [2], np.int64)))
        total = self.op("ReduceSum", weighted, self.constant("one", [1], np.int64), keepdims=0)
        return self.op("LpNormalization", total, axis=-1, p=2)

    # --- its parts ----------------------------------------------------------------------------------

    def dense(self, name: str, state: str) -> str:
        return self.product(state, name, self.weights[f"{name}weight"].T, self.weights[f"{name}bias"])

    def product(self, state: str, name: str, weight: Floats, bias: Floats) -> str:
        """state @ weight + bias; the unpacking of the weight has constant inputs, so it happens once."""
        stored, scale = quantise(weight)
        centred = self.centred(self.constant(f"{name}weight", stored, np.uint8))
        unpacked = self.op("Mul", centred, self.constant(f"{name}scale", scale))
        return self.op("Add", self.op("MatMul", state, unpacked), self.constant(f"{name}bias", bias))

    def centred(self, stored: str) -> str:
        return self.op("Sub", self.op("Cast", stored, to=TensorProto.FLOAT), self.constant("middle", MIDDLE))

    def normalised(self, name: str, state: str) -> str:
        scale = self.constant(f"{name}weight", self.weights[f"{name}weight"])
        bias = self.constant(f"{name}bias", self.weights[f"{name}bias"])
        return self.op("LayerNormalization", state, scale, bias, axis=-1, epsilon=EPSILON)


def quantise(weight: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """Unsigned 8-bit numbers around MIDDLE, and the scale of each column."""
    scale = np.maximum(np.abs(weight).max(axis=0) / 127.0, 1e-12).astype(np.float32)
    return np.clip(np.rint(weight / scale) + MIDDLE, 0, 255).astype(np.uint8), scale


def build(weights: Weights, metadata: dict[str, str]) -> bytes:
    """The whole model as one ONNX file.

    Inputs `input_ids` and `attention_mask`, (texts, tokens) int64, at most 256 tokens; output `embedding`, (texts, 384) float32.
    """
    graph = GraphBuilder(weights)
    found = graph.embedding("input_ids", "attention_mask")
    graph.nodes.append(helper.make_node("Identity", [found], ["embedding"], name="embedding"))
    shape = ["texts", "tokens"]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "all-MiniLM-L6-v2",
            [helper.make_tensor_value_info(name, TensorProto.INT64, shape) for name in ("input_ids", "attention_mask")],
            [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", WIDTH])],
            list(graph.constants.values()),
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="proving-ground",
    )
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString())
