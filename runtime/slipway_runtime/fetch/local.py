"""Models that are files already: in the image, on a claim, in a ConfigMap."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from slipway_runtime.errors import Fault, Reason
from slipway_runtime.fetch.sink import Sink

CHUNK_BYTES = 1 << 20


class LocalFile:
    """A file below ``root``, out of which no link leads."""

    def __init__(self, root: Path, path: Path, name: str) -> None:
        self._root = root
        self._path = path
        self._name = name

    def __str__(self) -> str:
        """Name the file as the user did."""
        return self._name

    @classmethod
    def of_uri(cls, uri: str) -> "LocalFile":
        """Read ``file:///PATH``."""
        return cls(Path("/"), Path(unquote(urlsplit(uri).path)), uri)

    def beside(self, location: str) -> "LocalFile":
        """Return the file at a path relative to this one's directory."""
        name = self._name.rpartition("/")[0] + "/" + location
        return LocalFile(self._root, self._path.parent / location, name)

    def pour(self, sink: Sink) -> None:
        """Copy the file."""
        if not self._path.resolve().is_relative_to(self._root.resolve()):
            raise self._missing()
        try:
            with self._path.open("rb") as file:
                sink.expected = self._path.stat().st_size
                while chunk := file.read(CHUNK_BYTES):
                    sink.write(chunk)
        except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
            raise self._missing() from None
        except PermissionError:
            raise Fault(
                Reason.SOURCE_FORBIDDEN,
                f"{self._name} may not be read by user 65532.",
                "Make the file readable for everyone, or for a group that the pod has.",
            ) from None
        except OSError as error:
            raise Fault(
                Reason.SOURCE_UNAVAILABLE,
                f"{self._name} can't be read: {error.strerror}.",
                "Look at the volume's storage; the fetch is tried again.",
            ) from error

    def _missing(self) -> Fault:
        directory = self._path.parent
        names = sorted(path.name for path in directory.iterdir()) if directory.is_dir() else []
        seen = ", ".join(name for name in names[:10] if not name.startswith("."))
        scheme, _, rest = self._name.partition("://")
        if scheme == "configMap" and not seen:
            name, _, key = rest.partition("/")
            return Fault(
                Reason.CONFIG_MAP_MISSING,
                f"there is no ConfigMap {name} in this namespace, or nothing is in it.",
                f"Create it: kubectl create configmap {name} --from-file={key}=FILE",
            )
        return Fault(
            Reason.SOURCE_NOT_FOUND,
            f"there is no file {self._name}; beside it are: {seen or 'none'}.",
            "Correct spec.model.uri, or put the file there.",
        )


def mounted(uri: str, mount: Path) -> LocalFile:
    """Read ``pvc://CLAIM/PATH`` or ``configMap://NAME/KEY``, which is mounted."""
    path = uri.partition("://")[2].partition("/")[2]
    return LocalFile(mount, mount / path.lstrip("/"), uri)
