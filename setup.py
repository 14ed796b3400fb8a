"""Adds the models that ship with the project to a wheel, as src/frozen/. The rest is in pyproject.toml."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = [
    Path('frozen/pocket_dogs.pb'),
    Path('frozen/pocket_dogs.tflite'),
    *sorted(Path('frozen/pocket').glob('pocket.*')),
]


class WithModels(build_py):
    """`build_py`, which also copies the models into the package."""

    def run(self):
        super().run()
        if self.editable_mode:  # an editable installation uses those in the checkout
            return
        for file in SHIPPED:
            goal = Path(self.build_lib, 'src', file)
            self.mkpath(str(goal.parent))
            self.copy_file(str(file), str(goal))


setup(cmdclass={'build_py': WithModels})
