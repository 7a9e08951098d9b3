"""The whole way in one command, `make demo`: from a bare machine to a prediction.

The answer of the cluster is shown beside what onnxruntime and scikit-learn say on this machine.
"""

import sys
from pathlib import Path

import onnxruntime

from fixtures.model import Model, Tensors
from fixtures.trained import iris
from slipway_dev import ask, evidence
from slipway_dev.cluster import Cluster, find
from slipway_dev.deploy import deploy
from slipway_dev.errors import Failure
from slipway_dev.steps import say, step

NAMESPACE = "slipway-demo"
SAMPLE = Path(__file__).parents[2] / "manifests" / "samples" / "iris.yaml"
KINDS = ("setosa", "versicolor", "virginica")
ROWS = (0, 50, 149)
PATIENCE = "180s"


def demo(cluster: Cluster) -> None:
    """Bring everything up, and predict.

    Raises:
        Failure: a step failed, or the cluster predicts something else than scikit-learn.
    """
    cluster.up()
    deploy(cluster)
    model = iris()
    _serve(cluster, model)
    with step("ask the model in the cluster"), ask.forwarded(cluster, NAMESPACE, "iris") as url:
        served = ask.infer(f"{url}/v2/models/iris/infer", model.ask(*ROWS))
    print(_table(model, served))
    wrong = model.wrong(served, *ROWS)
    if wrong:
        raise Failure("comparing the answers", "\n".join(wrong))
    print("\n" + cluster.run("--namespace", NAMESPACE, "get", "mdeploy"))
    say("done; `make demo-down` removes all of it")


def _serve(cluster: Cluster, model: Model) -> None:
    """Apply the sample and wait for it as a pipeline would."""
    kubectl = ("--namespace", NAMESPACE)
    apply = ("apply", "--server-side", "--filename=-")
    as_yaml = ("--dry-run=client", "--output=yaml")
    with step(f"serve {model.name} from {SAMPLE.name}"):
        cluster.run(*apply, stdin=cluster.run("create", "namespace", NAMESPACE, *as_yaml))
        source = ("configmap", "iris-model", f"--from-file=model.onnx={model.path}")
        cluster.run(*kubectl, *apply, stdin=cluster.run("create", *source, *as_yaml))
        cluster.run(*kubectl, *apply, stdin=SAMPLE.read_text())
        try:
            ready = ("wait", "--for=condition=Ready", "mdeploy/iris", f"--timeout={PATIENCE}")
            cluster.run(*kubectl, *ready)
        except Failure as failure:
            raise _not_ready(cluster, failure) from failure


def _not_ready(cluster: Cluster, failure: Failure) -> Failure:
    conditions = "{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{'\\n'}{end}"
    question = ("get", "mdeploy", "iris", f"--output=jsonpath={conditions}")
    return Failure(
        "serving the sample",
        f"mdeploy/iris is not Ready: {_last_line(failure)}",
        log=evidence.collect(cluster, NAMESPACE, question),
        remedy=f"the operator's side: kubectl -n slipway-system logs deploy/slipway-operator\n"
        f"with KUBECONFIG={cluster.kubeconfig}",
    )


def _last_line(failure: Failure) -> str:
    return str(failure).splitlines()[-1].strip()


def _table(model: Model, served: Tensors) -> str:
    """The three answers side by side, a line for each flower."""
    session = onnxruntime.InferenceSession(str(model.path))
    names = [output.name for output in session.get_outputs()]
    local = dict(zip(names, session.run(names, dict(model.ask(*ROWS))), strict=True))
    expected = {name: answers[list(ROWS)] for name, answers in model.expected.items()}
    columns = {"in the cluster": served, "onnxruntime here": local, "scikit-learn here": expected}
    lines = ["flower  " + "".join(f"{title:34}" for title in columns)]
    for index, row in enumerate(ROWS):
        answers = (_answer(column, index) for column in columns.values())
        lines.append(f"{row:<8}" + "".join(f"{answer:34}" for answer in answers))
    return "\n" + "\n".join(line.rstrip() for line in lines)


def _answer(outputs: Tensors, index: int) -> str:
    probabilities = " ".join(f"{share:.4f}" for share in outputs["probabilities"][index])
    return f"{KINDS[int(outputs['label'][index])]} {probabilities}"


if __name__ == "__main__":
    try:
        demo(find())
    except Failure as failure:
        sys.exit(str(failure))
