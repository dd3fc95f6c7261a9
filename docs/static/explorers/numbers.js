// Numbers in words, digit for digit as Python writes them.

/** f"{value:.<digits>f}". `toFixed` rounds a tie away from zero, Python to the even digit. */
export function fixed(value, digits) {
  const size = Math.abs(value);
  // Halfway between two numbers of so many digits lie only odd multiples of 1 / 2^(digits + 1).
  if ((size * 2 ** (digits + 1)) % 2 !== 1) return value.toFixed(digits);
  const below = Math.floor(size * 10 ** digits);
  return (value < 0 ? "-" : "") + ((below + (below % 2)) / 10 ** digits).toFixed(digits);
}

/** f"{value:.<digits>%}" */
export const percent = (value, digits = 0) => `${fixed(100 * value, digits)}%`;

/** f"{value:.0e}": an exponent has two digits or more. */
export const power = (value) => value.toExponential(0).replace(/e([+-])(\d)$/, "e$10$2");

/** `_number` of helpers/explorers.py: two digits, small values in scientific notation, no minus before a zero. */
export function number(value) {
  const size = Math.abs(value);
  if (size > 1e-9 && size < 0.005) return power(value);
  return fixed(value, 2).replace("-0.00", "0.00");
}

export const average = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Mean, biased variance and standard deviation. */
export function statistics(values) {
  const mean = average(values);
  const variance = average(values.map((value) => (value - mean) ** 2));
  return { mean, variance, std: Math.sqrt(variance) };
}
