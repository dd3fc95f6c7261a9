"""The colour, the line and the marker of the first, second, … arm of every comparison."""


class _RepeatingList(list):
    """A list that begins again behind its end, each time `shift` entries further on."""

    def __init__(self, entries, shift=0):
        super().__init__(entries)
        self.shift = shift

    def __getitem__(self, index):
        if isinstance(index, int) and index >= len(self):
            index = (index + index // len(self) * self.shift) % len(self)
        return super().__getitem__(index)


# Okabe & Ito's palette: distinguishable with every common colour vision. Arm i takes entry i of all three lists,
# so that no figure relies on colour alone. The colours of the first arms come again with other lines and markers.
COLORS = _RepeatingList(["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"])
LINESTYLES = _RepeatingList(["-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1))], shift=1)
MARKERS = _RepeatingList(["o", "s", "^", "D", "v", "P", "X"], shift=1)
