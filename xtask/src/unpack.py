"""Unpacks what a build needs out of the wheels: DESTINATION WHEEL..."""

import os
import shutil
import sys
import zipfile

destination, *wheels = sys.argv[1:]
LIBRARIES = ("torch/lib/libtorch_cpu.so", "torch/lib/libtorch.so", "torch/lib/libc10.so", "torch/lib/libgomp")
for wheel in wheels:
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            name = entry.filename
            if name.startswith("torch/include/"):
                path = os.path.join(destination, name[len("torch/") :])
            elif name.startswith(LIBRARIES) or os.path.basename(name) in ("libcudart.so.13", "libcupti.so.13"):
                path = os.path.join(destination, "lib", os.path.basename(name))
            else:
                continue
            if entry.is_dir():
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with archive.open(entry) as packed, open(path, "wb") as file:
                shutil.copyfileobj(packed, file, 1 << 20)
# Ten thousand headers: one flush of everything is quicker than one per file.
os.sync()
