"""A row of images with words above each."""

from helpers.plots.style import Plot, new_figure


def image_row(images, titles, caption, *, places=None):
    """Images side by side in grey, dark where the value is high.

    images: (count, height, width), as `Dataset.pixels` returns them. titles: the words above each, at most two lines.
    places: how many images fit in the row, all of them where it is not given; further places stay empty. Returns a
    Plot with this caption followed by the titles.
    """
    figure, axes = new_figure(1, places or len(images), width=9.0, height=1.7, squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, image, title in zip(axes.flat, images, titles, strict=False):
        axis.imshow(image, cmap="gray_r")
        axis.set_title(title, fontsize=8)
    return Plot(figure, f"{caption}: {'; '.join(title.replace(chr(10), ', ') for title in titles)}.")
