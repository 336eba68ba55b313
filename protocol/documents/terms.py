"""Names of an entry's fields and of their values, in Chinese and English.

Source: 《政务信息资源目录编制指南（试行）》（发改高技〔2017〕1272号）.
"""

from collections.abc import Mapping
from typing import Final

Term = tuple[str, str]

#: members of an entry document and words of its act -> Chinese, English
ENTRY_TERMS: Final[Mapping[str, Term]] = {
    "name": ("名称", "name"),
    "name_en": ("英文名称", "English name"),
    "code": ("代码", "code"),
    "category": ("分类", "classification of the catalogue"),
    "provider": ("提供方", "provider"),
    "provider_uscc": ("提供方代码", "provider's unified social credit code"),
    "uscc_override": ("代码校验位例外", "code accepted although its check character fails"),
    "summary": ("摘要", "summary"),
    "summary_en": ("英文摘要", "English summary"),
    "format": ("格式", "format"),
    "items": ("信息项", "items"),
    "conditions": ("共享条件", "conditions of sharing"),
    "citation": ("不予共享依据", "citation for not sharing"),
    "open_conditions": ("开放条件", "conditions of opening"),
    "medium": ("介质", "medium"),
    "published": ("发布日期", "date of publication"),
    "related": ("关联资源代码", "related codes"),
    "classification": ("数据分类", "data classification"),
    "grading": ("数据分级", "data grading"),
    "source_department": ("数源部门", "source department"),
    "systems": ("系统目录", "systems"),
    "tables": ("库表目录", "databases and tables"),
    "duty": ("职责依据", "duty"),
    "assessments": ("评估文号", "numbers of the assessments"),
    "sharing_class": ("共享类型", "sharing class"),
    "library": ("资源库", "library"),
    "update_cycle": ("更新周期", "update cycle"),
    "openness": ("开放属性", "openness"),
    "mode": ("共享方式", "mode"),
    "sensitive": ("敏感信息项", "sensitive items"),
}

#: members of an item
ITEM_TERMS: Final[Mapping[str, Term]] = {
    "index": ("序号", "index"),
    "name": ("信息项名称", "item name"),
    "name_en": ("信息项英文名称", "item's English name"),
    "code": ("信息项代码", "item code"),
    "type": ("数据类型", "data type"),
    "length": ("数据长度", "length"),
    "sensitive": ("是否敏感", "sensitive"),
    "element": ("数据元标识", "city-wide data element"),
}

#: members of the category, the format and an assessment
PART_TERMS: Final[Mapping[str, Term]] = {
    "class": ("类", "class"),
    "division": ("项", "division"),
    "group": ("目", "group"),
    "subgroup": ("细目", "subgroup"),
    "kind": ("格式分类", "kind of format"),
    "type": ("格式类型", "type of format"),
    "secrecy": ("保密评估", "secrecy assessment"),
    "privacy": ("个人信息保护评估", "personal-information assessment"),
    "number": ("文号", "number"),
    "date": ("日期", "date"),
}

CATEGORY_CLASSES: Final[Mapping[int, Term]] = {
    1: ("基础信息资源", "base"),
    2: ("主题信息资源", "theme"),
    3: ("部门信息资源", "department"),
}

FORMAT_KINDS: Final[Mapping[str, Term]] = {
    "file": ("电子文件", "electronic file"),
    "spreadsheet": ("电子表格", "spreadsheet"),
    "database": ("数据库", "database"),
    "image": ("图形图像", "image"),
    "stream": ("流媒体", "streaming media"),
    "described": ("自描述格式", "self-described format"),
}

ITEM_TYPES: Final[Mapping[str, Term]] = {
    "C": ("字符型", "text"),
    "N": ("数值型", "number"),
    "Y": ("货币型", "money"),
    "D": ("日期型", "date"),
    "T": ("日期时间型", "date and time"),
    "L": ("逻辑型", "logical"),
    "M": ("备注型", "memo"),
    "G": ("通用型", "general"),
    "B": ("双精度型", "double"),
    "I": ("整型", "integer"),
    "F": ("浮点型", "float"),
}

MEDIA: Final[Mapping[str, Term]] = {
    "": ("无", "none"),
    "mail": ("邮件", "mail"),
    "disk": ("拷盘", "disk copy"),
    "medium": ("介质交换", "exchange of a medium"),
}

#: values of the act's own words
WORD_CHOICES: Final[Mapping[str, Mapping[int, Term]]] = {
    "sharing_class": {
        1: ("无条件共享", "unconditional"),
        2: ("有条件共享", "conditional"),
        3: ("不予共享", "not shared"),
    },
    "library": {
        1: ("基础库", "base"),
        2: ("共享库", "shared"),
        3: ("主题库", "theme"),
        4: ("专题库", "special"),
        5: ("模型库", "model"),
    },
    "update_cycle": {
        1: ("实时", "real time"),
        2: ("每日", "day"),
        3: ("每周", "week"),
        4: ("每旬", "ten days"),
        5: ("每月", "month"),
        6: ("每季度", "quarter"),
        7: ("每年", "year"),
    },
    "openness": {
        0: ("不开放", "closed"),
        1: ("有条件开放", "conditional"),
        2: ("无条件开放", "open to the public"),
    },
    "mode": {
        1: ("平台接口", "platform interface"),
        2: ("数据库", "database"),
        3: ("文件", "file"),
        4: ("介质", "medium"),
    },
}
