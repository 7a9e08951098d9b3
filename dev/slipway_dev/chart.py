"""Makes the Helm chart's templates of what kustomize builds: `python -m slipway_dev.chart`.

The kustomizations are the source. What both overlays have alike is in the chart as it is; what is
in one of them alone depends on the value `scope`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from slipway_dev.cluster import Cluster, find

Object = dict[str, Any]

ROOT = Path(__file__).parents[2]
OVERLAYS = ROOT / "manifests" / "overlays"
TEMPLATES = ROOT / "manifests" / "chart" / "templates"
NAMESPACES = ("slipway-system", "my-models")
"""What the overlays are for; the chart is for the release's."""
VALUES = {
    "REPLICAS": "{{ .Values.replicas }}",
    "PROMETHEUS-URL": "{{ .Values.prometheusUrl | quote }}",
    "slipway-operator:0.1.0": "{{ .Values.images.operator | quote }}",
    "slipway-runtime:0.1.0": "{{ .Values.images.runtime | quote }}",
}
CRDS = """{{- if .Values.crds.install }}
{{ .Files.Get "files/modeldeployments.yaml" }}
{{- end }}
"""
NOTE = "# Made of the kustomizations by `python -m slipway_dev.chart`: change those.\n"


def templates(cluster: Iterable[Object], namespace: Iterable[Object]) -> dict[str, str]:
    """Make the templates of what the two overlays build; return their text by file name."""
    whole, single = ({_key(o): _template(o) for o in side} for side in (cluster, namespace))
    whole = {key: text for key, text in whole.items() if key[0] != "Namespace"}
    both = {key for key in whole.keys() & single.keys() if whole[key] == single[key]}
    crds = {key for key in whole if key[0] == "CustomResourceDefinition"}
    return {
        "crds.yaml": NOTE + CRDS,
        "operator.yaml": _file(whole, both),
        "cluster.yaml": _file(whole, whole.keys() - both - crds, 'eq .Values.scope "cluster"'),
        "namespace.yaml": _file(single, single.keys() - both, 'eq .Values.scope "namespace"'),
    }


def build(cluster: Cluster, overlay: str) -> list[Object]:
    """Build an overlay."""
    return list(yaml.safe_load_all(cluster.run("kustomize", str(OVERLAYS / overlay))))


def _key(found: Object) -> tuple[str, str]:
    return found["kind"], found["metadata"]["name"]


def _file(texts: Mapping[tuple[str, str], str], keys: Iterable[Any], when: str = "") -> str:
    body = "---\n".join(texts[key] for key in sorted(keys))
    return NOTE + (f"{{{{- if {when} }}}}\n{body}{{{{- end }}}}\n" if when else body)


def _template(found: Object) -> str:
    """Write one object down, with the values of the chart in it."""
    if found["kind"] == "Deployment":
        found["spec"]["replicas"] = "REPLICAS"
        [container] = found["spec"]["template"]["spec"]["containers"]
        [url] = (entry for entry in container["env"] if entry["name"] == "SLIPWAY_PROMETHEUS_URL")
        url["value"] = "PROMETHEUS-URL"
    text: str = yaml.safe_dump(found, sort_keys=False, width=110)
    if "{{" in text:
        raise ValueError(f"{found['kind']} holds what Helm would take for its own: {{{{")
    if found["kind"] == "Deployment":
        for name, value in VALUES.items():
            text = text.replace(name, value)
    for namespace in NAMESPACES:
        text = text.replace(f"namespace: {namespace}\n", "namespace: {{ .Release.Namespace }}\n")
    return text


def main() -> None:
    """Write the templates into the repository."""
    cluster = find()
    made = templates(build(cluster, "cluster"), build(cluster, "namespaced"))
    TEMPLATES.mkdir(exist_ok=True)
    for name, text in made.items():
        (TEMPLATES / name).write_text(text)


if __name__ == "__main__":
    main()
