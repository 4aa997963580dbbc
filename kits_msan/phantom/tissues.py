"""The phantom's tissues: their HU in each contrast phase, and how uneven they are. Our choice, after ordinary CT."""

from typing import NamedTuple


class Tissue(NamedTuple):
    """HU in the four contrast phases, and +- HU of texture."""

    plain: float
    arterial: float
    portal: float
    late: float
    texture: float


TISSUES = {
    "air": Tissue(plain=-1000, arterial=-1000, portal=-1000, late=-1000, texture=0),
    "skin": Tissue(plain=10, arterial=15, portal=20, late=20, texture=15),
    "fat": Tissue(plain=-105, arterial=-103, portal=-100, late=-100, texture=9),
    "perirenal fat": Tissue(plain=-105, arterial=-103, portal=-100, late=-100, texture=16),
    "muscle": Tissue(plain=52, arterial=58, portal=64, late=62, texture=9),
    "lung": Tissue(plain=-860, arterial=-850, portal=-845, late=-845, texture=70),
    "cortical bone": Tissue(plain=620, arterial=620, portal=620, late=620, texture=120),
    "spongy bone": Tissue(plain=190, arterial=200, portal=205, late=205, texture=50),
    "disk": Tissue(plain=75, arterial=78, portal=82, late=82, texture=8),
    "spinal canal": Tissue(plain=25, arterial=28, portal=32, late=32, texture=5),
    "liver": Tissue(plain=57, arterial=72, portal=112, late=98, texture=6),
    "spleen": Tissue(plain=48, arterial=120, portal=122, late=102, texture=8),
    "pancreas": Tissue(plain=40, arterial=98, portal=92, late=78, texture=18),
    "bile": Tissue(plain=8, arterial=8, portal=10, late=14, texture=3),
    "aorta": Tissue(plain=42, arterial=310, portal=165, late=122, texture=8),
    "vena cava": Tissue(plain=40, arterial=95, portal=150, late=120, texture=12),
    "portal vein": Tissue(plain=40, arterial=110, portal=170, late=125, texture=8),
    "bowel wall": Tissue(plain=38, arterial=78, portal=92, late=80, texture=14),
    "bowel fluid": Tissue(plain=18, arterial=18, portal=20, late=20, texture=14),
    "oral contrast": Tissue(plain=220, arterial=220, portal=220, late=220, texture=50),
    "stool": Tissue(plain=-10, arterial=-10, portal=-10, late=-10, texture=110),
    "gas": Tissue(plain=-940, arterial=-940, portal=-940, late=-940, texture=30),
    "renal cortex": Tissue(plain=34, arterial=185, portal=185, late=150, texture=7),
    "renal medulla": Tissue(plain=33, arterial=88, portal=170, late=158, texture=7),
    "urine": Tissue(plain=6, arterial=8, portal=12, late=420, texture=4),
    "clear cell tumor": Tissue(plain=36, arterial=112, portal=97, late=83, texture=18),
    # papillary and chromophobe: they take up less contrast
    "other tumor": Tissue(plain=38, arterial=66, portal=80, late=74, texture=11),
    "necrosis": Tissue(plain=18, arterial=22, portal=25, late=25, texture=7),
}
