"use strict";

playground.define(function matrix(playground) {
  /**
   * out (n, m) = a (n, k) · b (k, m). Element (i, p) of a is a[i * aRow + p * aColumn], and b likewise: with the two
   * exchanged a matrix is transposed. Two rows by four columns at a time: eight sums that stay in the processor's
   * registers, four times as fast as one (measured).
   */
  function multiply(out, n, m, k, a, aRow, aColumn, b, bRow, bColumn) {
    // A whole number from an object that also holds fractions is stored as one of them: as an index, half as fast.
    [n, m, k] = [n | 0, m | 0, k | 0];
    [aRow, aColumn, bRow, bColumn] = [aRow | 0, aColumn | 0, bRow | 0, bColumn | 0];
    let i = 0;
    for (; i + 2 <= n; i += 2) {
      let j = 0;
      for (; j + 4 <= m; j += 4) {
        let s0 = 0,
          s1 = 0,
          s2 = 0,
          s3 = 0,
          t0 = 0,
          t1 = 0,
          t2 = 0,
          t3 = 0;
        let upper = i * aRow,
          lower = upper + aRow,
          right = j * bColumn;
        for (let p = 0; p < k; p++) {
          const u = a[upper],
            v = a[lower];
          const b0 = b[right],
            b1 = b[right + bColumn],
            b2 = b[right + 2 * bColumn],
            b3 = b[right + 3 * bColumn];
          s0 += u * b0;
          s1 += u * b1;
          s2 += u * b2;
          s3 += u * b3;
          t0 += v * b0;
          t1 += v * b1;
          t2 += v * b2;
          t3 += v * b3;
          upper += aColumn;
          lower += aColumn;
          right += bRow;
        }
        const at = i * m + j;
        out[at] = s0;
        out[at + 1] = s1;
        out[at + 2] = s2;
        out[at + 3] = s3;
        out[at + m] = t0;
        out[at + m + 1] = t1;
        out[at + m + 2] = t2;
        out[at + m + 3] = t3;
      }
      for (; j < m; j++) {
        out[i * m + j] = dot(k, a, i * aRow, aColumn, b, j * bColumn, bRow);
        out[(i + 1) * m + j] = dot(k, a, (i + 1) * aRow, aColumn, b, j * bColumn, bRow);
      }
    }
    if (i < n) for (let j = 0; j < m; j++) out[i * m + j] = dot(k, a, i * aRow, aColumn, b, j * bColumn, bRow);
  }

  function dot(length, a, from, aStep, b, start, bStep) {
    let sum = 0;
    for (let p = 0; p < length; p++) sum += a[from + p * aStep] * b[start + p * bStep];
    return sum;
  }

  /** The sum of each column of x (rows, columns). */
  function columnSums(x, rows, columns) {
    const sums = new Float64Array(columns);
    for (let r = 0, at = 0; r < rows; r++) for (let c = 0; c < columns; c++, at++) sums[c] += x[at];
    return sums;
  }

  /** A buffer for this many numbers: the one given if it is large enough. */
  function room(buffer, length) {
    return buffer && buffer.length >= length ? buffer : new Float32Array(length);
  }

  Object.assign(playground, { multiply, columnSums, room });
});
