"""The OpenAPI document of one server: its paths, what they take and what they answer.

Written from what the code does; the tests hold a running server to it, path by path.
"""

from typing import Any

from slipway_runtime.datatypes import DATATYPES, Signature, TensorSpec

Json = dict[str, Any]

ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
PARAMETERS: Json = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
SIZE: Json = {"type": "integer", "minimum": 0}
STRING: Json = {"type": "string"}
DATATYPE: Json = {"type": "string", "enum": [datatype.name for datatype in DATATYPES]}
DURATION: Json = {"type": "object", "properties": {"count": SIZE, "ns": SIZE}}
READY: Json = {
    "type": "object",
    "required": ["ready"],
    "properties": {"ready": {"type": "boolean"}, "reason": STRING, "message": STRING},
}

REFUSALS = {
    "400": "The request is malformed or does not fit the model.",
    "404": "Another model, version or path than those served here.",
    "405": "Another method; the header Allow lists the right ones.",
    "408": "The request did not arrive in time.",
    "413": "The body is too large, as it came or inflated.",
    "415": "The body's Content-Encoding is not known.",
    "431": "The headers are too large.",
    "500": "The model or the runtime failed.",
    "503": "No model yet, or too many requests; the header Retry-After says when to try again.",
    "504": "The time that the request has has passed.",
}


def document(name: str, version: str, release: str, signature: Signature | None) -> Json:
    """Write the document for a model; without a signature while it is not known."""
    model = f"/v2/models/{_escaped(name)}"
    paths: Json = {
        "/v2": _get("What this server is", _object(name=STRING, version=STRING)),
        "/v2/health/live": _get("Whether the server is alive", _object(live={"type": "boolean"})),
        "/v2/health/ready": _get("Whether the model can predict", READY, "503"),
        "/v2/models": _get("The names of the models", _object(models=_list(STRING))),
        "/v2/models/stats": _get("Statistics of all models", _statistics()),
        "/v2/openapi.json": _get("This document", {"type": "object"}),
        "/v2/repository/index": {"post": _index()},
    }
    if name == "stats":
        del paths["/v2/models/stats"]
    for start in (model, f"{model}/versions/{_escaped(version)}"):
        paths[start] = _get("The model's inputs and outputs", _metadata(), "503")
        ready = _object(name=STRING, ready={"type": "boolean"})
        paths[f"{start}/ready"] = _get("Whether the model can predict", ready, "503")
        paths[f"{start}/config"] = _get("The model's configuration", {"type": "object"}, "503")
        paths[f"{start}/stats"] = _get("The model's statistics", _statistics())
        paths[f"{start}/infer"] = {"post": _infer(signature)}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Predictions of {name}",
            "version": release,
            "description": "Open Inference Protocol v2 with the extensions for binary tensors, "
            "classification, configuration, statistics and the model repository.",
        },
        "paths": paths,
    }


def _escaped(name: str) -> str:
    """Escape what a path of this document gives a meaning to."""
    return name.replace("%", "%25").replace("/", "%2F").replace("{", "%7B").replace("?", "%3F")


def _object(**properties: Json) -> Json:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _answer(description: str, schema: Json) -> Json:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _refusals(*statuses: str) -> Json:
    return {status: _answer(REFUSALS[status], ERROR) for status in statuses}


def _get(summary: str, schema: Json, *unready: str) -> Json:
    also = {status: _answer(REFUSALS[status], {"type": "object"}) for status in unready}
    responses = {"200": _answer("Well", schema), **also, **_refusals("405")}
    return {"get": {"summary": summary, "responses": responses}}


def _index() -> Json:
    request = {"type": "object", "properties": {"ready": {"type": "boolean"}}}
    entry = _object(name=STRING, version=STRING, state=STRING, reason=STRING)
    return {
        "summary": "The models of the repository, and their states",
        "requestBody": {"content": {"application/json": {"schema": request}}},
        "responses": {"200": _answer("Well", _list(entry)), **_refusals("400", "405", "413")},
    }


def _metadata() -> Json:
    tensor = _object(name=STRING, datatype=DATATYPE, shape=_list({"type": "integer"}))
    return _object(
        name=STRING,
        versions=_list(STRING),
        platform=STRING,
        inputs=_list(tensor),
        outputs=_list(tensor),
        properties={"type": "object", "additionalProperties": STRING},
    )


def _statistics() -> Json:
    names = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
    model = _object(
        name=STRING,
        version=STRING,
        last_inference=SIZE,
        inference_count=SIZE,
        execution_count=SIZE,
        inference_stats=_object(**dict.fromkeys(names, DURATION)),
        batch_stats=_list({"type": "object"}),
    )
    return _object(model_stats=_list(model))


def _infer(signature: Signature | None) -> Json:
    inputs = list(signature.inputs.values()) if signature else []
    outputs = list(signature.outputs.values()) if signature else []
    request = _object(inputs=_tensors(inputs))
    wanted = _object(name=_one_of([spec.name for spec in outputs]))
    wanted["properties"]["parameters"] = PARAMETERS
    request["properties"] |= {"id": STRING, "parameters": PARAMETERS, "outputs": _list(wanted)}
    answer = _object(model_name=STRING, model_version=STRING, outputs=_list(_tensor(None)))
    binary = {"schema": {"type": "string", "format": "binary"}}
    well = _answer("The prediction", answer)
    well["content"]["application/octet-stream"] = binary
    return {
        "summary": "Predict",
        "description": BINARY,
        "parameters": [_header(*each) for each in HEADERS],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": request},
                "application/octet-stream": binary,
            },
        },
        "responses": {
            "200": well,
            **_refusals("400", "405", "408", "413", "415", "431", "500", "503", "504"),
        },
    }


BINARY = """\
Binary tensors follow the JSON in one body: the header `Inference-Header-Content-Length` says how
many bytes are JSON, an input's parameter `binary_data_size` how many of the rest are its own. 0
bytes of JSON: the body is the model's one input, and all outputs are binary.
"""

HEADERS: tuple[tuple[str, Json, str], ...] = (
    (
        "Content-Encoding",
        {"type": "string", "enum": ["identity", "gzip", "deflate"]},
        "How the body is compressed.",
    ),
    ("X-Request-Timeout-Ms", SIZE, "For how many milliseconds the caller waits; 0 is no limit."),
)


def _header(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "header", "schema": schema, "description": description}


def _one_of(names: list[str]) -> Json:
    return {"type": "string", "enum": names} if names else STRING


def _tensors(specs: list[TensorSpec]) -> Json:
    if not specs:
        return _list(_tensor(None))
    items = {"anyOf": [_tensor(spec) for spec in specs]}
    return {"type": "array", "items": items, "minItems": len(specs), "maxItems": len(specs)}


def _tensor(spec: TensorSpec | None) -> Json:
    shape = _list(SIZE)
    if spec and spec.shape:
        sizes = [SIZE if size < 0 else {"const": size} for size in spec.shape]
        shape |= {"prefixItems": sizes, "minItems": len(sizes), "maxItems": len(sizes)}
    schema = _object(
        name={"const": spec.name} if spec else STRING,
        datatype={"const": spec.datatype.name} if spec else DATATYPE,
        shape=shape,
    )
    schema["properties"] |= {"data": {"type": "array"}, "parameters": PARAMETERS}
    return schema
