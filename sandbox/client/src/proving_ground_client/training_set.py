"""A training set: the data with its features, and the spec that travels with a model trained on it."""

from functools import cached_property

import pyarrow as pa

from proving_ground_client.computing import computed
from proving_ground_client.frames import Frame
from proving_ground_client.site import Site
from proving_ground_client.spec import Spec


class TrainingSet:
    """Made by `FeatureEngineeringClient.create_training_set`; nothing is computed before `load_df`."""

    def __init__(self, site: Site, data: pa.Table, spec: Spec) -> None:
        self._site, self._data, self.spec = site, data, spec

    def load_df(self) -> Frame:
        """Inputs of the model in the order in which it gets them, and the label last."""
        return Frame(self._rows, self._site)

    @cached_property
    def _rows(self) -> pa.Table:
        names = [*self.spec.inputs, *filter(None, [self.spec.label])]
        return computed(self._site, self.spec, self._data).select(names)
