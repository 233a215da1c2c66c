"""Differences between cells: paired tests, the gate, dose curves and power."""
