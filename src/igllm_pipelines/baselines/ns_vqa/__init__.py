"""NS-VQA's scene parser (Yi et al. 2018), the baseline of the paper's Table 1.

Mask R-CNN finds the objects, a residual network describes each of them.
"""
