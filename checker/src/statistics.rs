//! Key figures of a run: counts, latencies, availability, outages (to be written).
