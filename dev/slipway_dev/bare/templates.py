"""Configuration files and manifests, from templates with `$NAME`s."""

from pathlib import Path
from string import Template

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: object) -> str:
    """Fill in a template; a missing or misspelt value is a KeyError."""
    text = (TEMPLATES / template).read_text()
    return Template(text).substitute({key: str(value) for key, value in values.items()})


def write(target: Path, template: str, **values: object) -> Path:
    """Write a filled-in template to a file, making its folder."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(render(template, **values))
    return target
