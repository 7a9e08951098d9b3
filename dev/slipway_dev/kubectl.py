"""kubectl, bound to one kubeconfig and one context so that no other cluster is ever touched."""

from dataclasses import dataclass
from pathlib import Path

from slipway_dev.errors import Failure
from slipway_dev.steps import run


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One cluster's kubectl.

    Attributes:
        path: the program.
        kubeconfig: the only file it reads.
        context: the context in it; "" is the file's current one.
    """

    path: Path
    kubeconfig: Path
    context: str = ""

    def run(self, *args: str, stdin: str | None = None) -> str:
        """Run it and return its stdout.

        Raises:
            Failure: it ended with an error, which the message quotes.
        """
        where = [f"--kubeconfig={self.kubeconfig}"]
        if self.context:
            where.append(f"--context={self.context}")
        return run([self.path, *where, *args], stdin=stdin)

    def works(self, *args: str) -> bool:
        """Whether it ends well."""
        try:
            self.run(*args)
        except Failure:
            return False
        return True
