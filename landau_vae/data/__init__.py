"""From samples to second moments: tables and files are read by blocks of rows, blocks become `Moments`
(or, where there are fewer rows than columns, a `Gram`), and a `Spectrum` is made of those."""
