"""Large corpora: how memory and time grow, and what more workers give."""
