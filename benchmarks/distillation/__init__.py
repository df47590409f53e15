"""Label projection, teacher-student, and both: `python -m benchmarks.distillation`"""
