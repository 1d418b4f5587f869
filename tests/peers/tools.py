"""Building the other side: what it takes, and the word where that is not there."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SKIPPED = 77  # ctest's SKIP_RETURN_CODE
GO_CODE = Path("/usr/share/gocode")  # where Debian's packages put the sources of libraries
GO_NEEDS = ["src/github.com/flynn/noise", "src/golang.org/x/crypto"]
NODE_PACKAGE = "noise-c.wasm"  # node/package-lock.json has its version and digest


def skip(why: str) -> None:
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def go(name: str, build: Path) -> list[str]:
    """Builds go/NAME from Debian's packages alone, without the network; returns its command."""
    missing = [part for part in GO_NEEDS if not (GO_CODE / part).is_dir()]
    if shutil.which("go") is None or missing:
        skip("no Go, or no Noise for it: apt-get install golang-go golang-github-flynn-noise-dev")
    build.mkdir(parents=True, exist_ok=True)
    out = build / f"go-{name}"
    environment = {
        "PATH": os.environ["PATH"],
        "GO111MODULE": "off",
        "GOPATH": str(GO_CODE),
        "GOCACHE": str(build / "go-cache"),
        "GOENV": "off",
        "GOTOOLCHAIN": "local",
        "CGO_ENABLED": "0",
    }
    subprocess.run(
        ["go", "build", "-o", str(out), "."],
        cwd=HERE / "go" / name, env=environment, check=True, timeout=300,
    )
    return [str(out)]


def node(name: str, build: Path) -> list[str]:
    """Installs the package below `build`, once; returns the command."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        skip("no Node.js, or no npm: apt-get install nodejs npm")
    folder = build / "node"
    if not (folder / "node_modules" / NODE_PACKAGE / "package.json").is_file():
        install_node_package(folder)
    return ["env", f"NODE_PATH={folder / 'node_modules'}", "node", str(HERE / "node" / f"{name}.js")]


def install_node_package(folder: Path) -> None:
    """Its only dependency is Node; no script of it runs, and npm's cache lies beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ["package.json", "package-lock.json"]:
        shutil.copyfile(HERE / "node" / name, folder / name)
    command = [
        "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier",
        f"--cache={folder / 'cache'}", "--fetch-retries=0", "--fetch-timeout=15000",
    ]
    try:
        subprocess.run(
            command, cwd=folder, check=True, timeout=60, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        print(error.stdout or error)
        skip(f"npm could not install {NODE_PACKAGE}")
