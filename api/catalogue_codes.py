"""Error codes of catalogue and OpenAPI files, and of the fields of an entry document.

Codes of fields come as `problem` with DOCUMENT_MALFORMED over HTTP, and one by one from
`sanlian-client catalogue check`.
"""

from typing import Final

Row = tuple[int, str, str]

CATALOGUE_CODES: Final[dict[str, Row]] = {
    # an entry document's fields
    "CATEGORY_DIFFERS": (422, "分类与代码不一致", "The class disagrees with the code"),
    "CHOICE_UNKNOWN": (422, "取值不在允许范围内", "The value is none of those allowed"),
    "CREDIT_CODE_INVALID": (
        422,
        "不是有效的统一社会信用代码",
        "This is not a unified social credit code",
    ),
    "DATE_INVALID": (422, "日期无效", "The date is not valid"),
    "DOCUMENT_TOO_LARGE": (422, "条目文件超过 64 KiB", "The document is larger than 64 KiB"),
    "ELEMENT_INVALID": (422, "数据元标识无效", "The id of a data element is not valid"),
    "ENTRY_CODE_INVALID": (422, "信息资源代码无效", "The entry's code does not follow the guide"),
    "ITEM_ORDER": (422, "信息项序号未递增", "Items do not stand in order of their index"),
    "ITEM_REPEATED": (422, "信息项代码或数据元重复", "An item's code or element stands twice"),
    "LIST_INVALID": (422, "列表项数不符", "The list has too many or too few parts"),
    "MEMBERS_DIFFER": (422, "成员缺失或多余", "Members are missing or odd"),
    "NUMBER_INVALID": (422, "数字无效", "The number is not valid"),
    "RELATED_INVALID": (422, "关联资源代码无效", "A related code is not valid"),
    "SCHEMA_NOT_COVERING": (
        422,
        "接口的应答结构未包含所列信息项",
        "The response schema does not describe the items that the interface claims",
    ),
    "SCHEMA_UNSUPPORTED": (
        422,
        "接口的应答结构无法逐次核对",
        "The response schema cannot be applied to every answer",
    ),
    "TEXT_EMPTY": (422, "不能为空", "The text must not be empty"),
    "TEXT_EXPECTED": (422, "应为文本", "Text is expected"),
    "TEXT_TOO_LONG": (422, "文字过长", "The text is too long"),
    "TEXT_UNFIT": (422, "含有不允许的字符", "The text holds characters that are not allowed"),
    "WORDS_DIFFER": (422, "字段之间不一致", "Fields disagree with each other"),
    # catalogue files
    "CATALOGUE_REFUSED": (422, "目录文件有错误，未导入", "The file has problems; nothing imported"),
    "CELL_ERROR": (422, "单元格为错误值", "The cell holds an error"),
    "COLUMN_UNKNOWN": (422, "没有该列", "There is no such column"),
    "ENTRY_REPEATED": (422, "条目代码重复", "An entry's code stands twice"),
    "ENTRY_UNKNOWN": (422, "没有此代码的条目", "No entry has this code"),
    "FORMULA_REFUSED": (422, "不接受公式", "Formulas are not read"),
    "HEADING_REPEATED": (422, "表头重复", "A heading stands twice"),
    "ITEMS_EXHAUSTED": (422, "信息项序号已用完", "All 256 item indices were used"),
    "NUMBER_INEXACT": (422, "数字超过 15 位", "A spreadsheet has rounded this number"),
    "ROWS_DIFFER": (422, "同一条目各行不一致", "Rows of one entry differ"),
    "TABLE_ENCODING": (422, "文件编码不是 UTF-8 或 GB18030", "The file's encoding is not known"),
    "TABLE_MALFORMED": (422, "文件无法读取", "The file is not readable"),
    "TABLE_MISSING": (422, "没有找到目录表", "No sheet is a catalogue"),
    "TABLE_TOO_LARGE": (413, "文件超出限制", "The file is beyond a limit"),
    "TABLE_UNSAFE": (422, "文件含有不安全的内容", "The file holds what is not safe to read"),
    # OpenAPI files
    "ITEMS_NOT_MAPPED": (422, "应答中未找到信息项", "No item was found in the response"),
    "ITEM_UNKNOWN": (422, "条目没有此代码的信息项", "The entry has no item of this code"),
    "OPENAPI_MALFORMED": (422, "OpenAPI 文件无法读取", "The OpenAPI file is not readable"),
    "OPENAPI_TOO_LARGE": (413, "OpenAPI 文件超出限制", "The OpenAPI file is beyond a limit"),
    "OPENAPI_VERSION": (422, "只支持 OpenAPI 3.0 和 3.1", "Only OpenAPI 3.0 and 3.1 are read"),
    "OPERATION_UNFIT": (422, "该操作不能作为接口", "The operation cannot be an interface"),
    "OPERATION_UNKNOWN": (404, "文件中没有该操作", "The file has no such operation"),
    "REFERENCE_EXTERNAL": (422, "引用指向文件之外", "A reference leads out of the file"),
    "REFERENCE_RECURSIVE": (422, "引用循环", "A reference leads back to itself"),
    "REFERENCE_UNKNOWN": (422, "引用无效", "A reference leads to nothing"),
}
