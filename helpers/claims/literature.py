"""The papers and reports that several claims cite."""

IOFFE = "Ioffe & Szegedy 2015, arXiv:1502.03167"
CAFFENET = "Mishkin, caffenet-benchmark, batchnorm.md (2017; companion arXiv:1606.02228)"
