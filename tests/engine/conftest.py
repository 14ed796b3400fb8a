from tests.clusters import clusters  # noqa: F401  (a fixture)
