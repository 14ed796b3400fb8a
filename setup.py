"""What pyproject.toml cannot say: a wheel carries the models that come with the project, as src/frozen/."""

from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SHIPPED = [Path('frozen/pocket_dogs.pb'), *sorted(Path('frozen/pocket').glob('pocket_96.*'))]


class WithModels(build_py):
    def run(self):
        super().run()
        if self.editable_mode:  # the checkout has them where they are
            return
        for file in SHIPPED:
            goal = Path(self.build_lib, 'src', file)
            self.mkpath(str(goal.parent))
            self.copy_file(str(file), str(goal))


setup(cmdclass={'build_py': WithModels})
