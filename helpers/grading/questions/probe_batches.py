"""Small batches on which wrong answers differ, shared by several questions.

Few rows and rows ≠ features, means far from 0, a variance close to epsilon, gamma ≠ 1 with a negative one, beta ≠ 0,
ranks 3 and 4, float32 near 10 000.
"""

import numpy as np

FAR_FROM_ZERO = np.array([[2.0, -5.0, 10.0], [4.0, -4.0, 30.0], [6.0, -4.0, 20.0], [9.0, -1.0, 50.0]])
NEARLY_CONSTANT = np.array([[0.10, 1.0], [0.14, 2.0], [0.08, 3.0], [0.12, 4.0], [0.06, 6.0]])
ONE_SMALL_COLUMN = np.array([[2.0, -5.0, 0.10], [4.0, -4.0, 0.14], [6.0, -4.0, 0.08], [9.0, -1.0, 0.06]])
SMALL = np.array([[0.10, -0.02, 0.03], [0.14, 0.02, -0.01], [0.08, 0.05, 0.02], [0.12, -0.03, 0.0]])
CONSTANT = np.array([[3.0, -2.0]] * 4)
ONE_ROW = np.array([[1.5, -2.0, 7.0]])
LARGE = (
    10_000
    + np.array(
        [
            [-1.1, 0.3, 2.0],
            [0.4, -1.6, 0.9],
            [1.3, 0.2, -1.2],
            [-0.6, 1.9, 0.1],
            [0.8, -0.4, -2.1],
            [-1.7, 1.1, 0.7],
            [0.5, -0.9, 1.4],
            [1.2, 0.6, -0.8],
        ]
    )
).astype(np.float32)
LARGE_NAME = "float32 numbers near 10 000 keep their precision"
IMAGES = np.array(  # (batch 2, height 2, width 3, channels 2)
    [
        [[[1.0, -3.0], [2.0, -1.0], [4.0, 0.0]], [[0.0, -2.0], [3.0, 5.0], [7.0, 1.0]]],
        [[[5.0, 2.0], [6.0, -4.0], [2.0, 3.0]], [[8.0, 6.0], [1.0, 2.0], [9.0, -6.0]]],
    ]
)
SEQUENCES = np.array(  # (batch 2, time 3, features 4)
    [
        [[2.0, -1.0, 6.0, 0.5], [3.0, -4.0, 8.0, 1.5], [7.0, 0.0, 1.0, -2.0]],
        [[1.0, 5.0, 4.0, 3.0], [9.0, -2.0, 2.0, -0.5], [4.0, 3.0, 5.0, 6.0]],
    ]
)
BLOCK = np.round(9 * np.sin(np.arange(1.0, 17.0) * 1.9), 1).reshape(2, 2, 2, 2) + np.array([3.0, -20.0])
SMALL_ROWS = np.array([[0.10, -0.02, 0.03], [0.14, 0.02, -0.01], [5.08, 5.05, 5.02], [-2.12, -2.03, -2.0]])
GAMMA, BETA = np.array([1.5, -0.7, 3.0]), np.array([0.3, -1.2, 2.0])
