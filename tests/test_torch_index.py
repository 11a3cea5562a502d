"""`torch_index` decides where uv takes torch from, proven with folders in place of the indexes."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from conftest import Render, questions
from rendered import choices, metadata, requirements, run

UV = shutil.which("uv") or "uv"
# what a build of the PyTorch index is called, for each system that has one
BUILT = ["manylinux_2_28_x86_64", "win_amd64"]


def wheel(index: Path, name: str, version: str, tag: str, extras: set[str]) -> None:
    """Write an empty wheel into a folder that is laid out like a package index."""
    stem = name.replace("-", "_")
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    metadata = [f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}"]
    metadata += [f"Provides-Extra: {extra}" for extra in sorted(extras)]
    info = f"{stem}-{version}.dist-info"
    path = folder / f"{stem}-{version}-{tag}.whl"
    with ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", "\n".join(metadata) + "\n")
        archive.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nTag: {tag}\n")
        archive.writestr(f"{info}/RECORD", "")
    links = [f'<a href="{one.name}">{one.name}</a>' for one in sorted(folder.glob("*.whl"))]
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>")


def lock(project: Path, tmp_path: Path) -> list[dict[str, Any]]:
    """Resolve for all systems and return the entries for torch."""
    default, pytorch = tmp_path / "default", tmp_path / "pytorch"
    for requirement in requirements(project):
        lowest = next(s.version for s in requirement.specifier if s.operator == ">=")
        wheel(default, requirement.name, lowest, "py3-none-any", requirement.extras)
    for system in BUILT:
        wheel(pytorch, "torch", "2.13.0+local", f"cp311-cp311-{system}", set())
    settings = tmp_path / "uv.toml"
    settings.write_text("")
    command = [UV, "lock", "--no-cache", "--config-file", str(settings)]
    command += ["--default-index", default.as_uri()]
    # an index on the command line would no longer be for torch alone
    path = project / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(re.sub(r"https://download[^\"]+", pytorch.as_uri(), text), encoding="utf-8")
    result = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    locked = tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))
    return [package for package in locked["package"] if package["name"] == "torch"]


def test_the_default_leaves_torch_to_the_usual_index(render: Render, tmp_path: Path) -> None:
    project = render()
    assert "uv" not in metadata(project)["tool"]
    (torch,) = lock(project, tmp_path)
    assert torch["source"]["registry"].endswith("default")


@pytest.mark.parametrize("index", [c for c in choices(questions()["torch_index"]) if c != "pypi"])
def test_another_index_is_used_on_linux_and_windows_for_torch_alone(
    index: str, render: Render, tmp_path: Path
) -> None:
    project = render(torch_index=index)
    (declared,) = metadata(project)["tool"]["uv"]["index"]
    assert declared["explicit"] is True
    assert declared["url"] == f"https://download.pytorch.org/whl/{index}"
    entries = {
        package["source"]["registry"].rsplit("/")[-1]: package
        for package in lock(project, tmp_path)
    }
    assert set(entries) == {"default", "pytorch"}
    chosen, usual = entries["pytorch"], entries["default"]
    assert chosen["version"] == "2.13.0+local"
    assert len(chosen["wheels"]) == len(BUILT)
    for marker in chosen["resolution-markers"]:
        assert "sys_platform == 'linux'" in marker or "sys_platform == 'win32'" in marker
    for marker in usual["resolution-markers"]:
        assert "sys_platform != 'linux'" in marker
        assert "sys_platform != 'win32'" in marker
    for system in ("linux", "windows", "macos"):
        assert ("+local" in resolved(project, tmp_path, system)) == (system != "macos")


def test_a_lock_file_decides_what_nox_installs(
    render: Render, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for the build of torch, which CI and the image choose themselves."""
    project = render(torch_index="cu130")
    lock(project, tmp_path)
    wheel(tmp_path / "default", "ruff", "0.13.0", "py3-none-any", set())
    for name in [name for name in os.environ if name.startswith("UV_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "default").as_uri())
    monkeypatch.setenv("UV_CONFIG_FILE", str(tmp_path / "uv.toml"))
    monkeypatch.setenv("UV_NO_CACHE", "true")

    def installed() -> list[str]:
        run(project, sys.executable, "-m", "nox", "--install-only", "-s", "lint")
        return run(project, UV, "pip", "freeze", "--python", ".nox/lint").splitlines()

    assert "ruff==0.12" in installed()
    (path,) = project.glob(".nox/**/locked.txt")
    locked = path.read_text(encoding="utf-8")
    assert set(re.findall(r"^torch==(\S+)", locked, re.MULTILINE)) == {"2.13.0", "2.6"}
    (project / "uv.lock").unlink()
    assert "ruff==0.13.0" in installed()


def resolved(project: Path, tmp_path: Path, system: str) -> str:
    """Return the version of torch that one system gets."""
    command = [UV, "pip", "compile", "--quiet", "--no-cache", "--no-header", "--no-annotate"]
    command += ["--config-file", str(tmp_path / "uv.toml"), "--python-platform", system]
    command += ["--python-version", "3.11", "--default-index", (tmp_path / "default").as_uri()]
    command += ["pyproject.toml"]
    result = subprocess.run(command, cwd=project, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    pins = dict(line.split("==") for line in result.stdout.splitlines() if "==" in line)
    return pins["torch"]
