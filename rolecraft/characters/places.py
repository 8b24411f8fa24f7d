"""The provinces of China with their larger cities, and cities abroad: where somebody may be from.

For telling that two places exclude each other; no map, and not every town.
"""

PROVINCES: dict[str, tuple[str, ...]] = {
    "北京": (),
    "天津": (),
    "上海": ("崇明",),
    "重庆": (),
    "河北": ("石家庄", "保定", "唐山", "秦皇岛", "邯郸"),
    "山西": ("太原", "大同", "临汾"),
    "内蒙古": ("呼和浩特", "包头", "鄂尔多斯"),
    "辽宁": ("沈阳", "大连", "鞍山"),
    "吉林": ("长春", "延边"),
    "黑龙江": ("哈尔滨", "齐齐哈尔", "大庆", "呼兰"),
    "江苏": ("南京", "苏州", "无锡", "扬州", "徐州", "常州"),
    "浙江": ("杭州", "宁波", "温州", "绍兴", "义乌"),
    "安徽": ("合肥", "芜湖", "黄山", "肥东"),
    "福建": ("福州", "厦门", "泉州"),
    "江西": ("南昌", "景德镇", "赣州"),
    "山东": ("济南", "青岛", "烟台", "威海"),
    "河南": ("郑州", "洛阳", "开封", "巩义"),
    "湖北": ("武汉", "宜昌", "襄阳"),
    "湖南": ("长沙", "岳阳", "湘潭"),
    "广东": ("广州", "深圳", "东莞", "佛山", "珠海", "汕头"),
    "广西": ("南宁", "桂林", "柳州"),
    "海南": ("海口", "三亚"),
    "四川": ("成都", "绵阳", "乐山", "宜宾"),
    "贵州": ("贵阳", "遵义", "镇远"),
    "云南": ("昆明", "大理", "丽江", "罗平"),
    "西藏": ("拉萨",),
    "陕西": ("西安", "咸阳", "延安"),
    "甘肃": ("兰州", "定西", "敦煌"),
    "青海": ("西宁",),
    "宁夏": ("银川",),
    "新疆": ("乌鲁木齐", "喀什"),
    "台湾": ("台北", "高雄"),
    "香港": (),
    "澳门": (),
    "日本": ("东京", "大阪"),
    "美国": ("纽约", "洛杉矶"),
    "英国": ("伦敦", "爱丁堡", "苏格兰"),
    "法国": ("巴黎",),
}

NAMES = tuple(
    sorted({*PROVINCES, *(city for cities in PROVINCES.values() for city in cities)}, key=len)
)[::-1]  # longest first, for patterns that take the first that fits


def agree(place: str, told: str) -> bool:
    """Whether what is told of somebody names this place, the province around it, or, for a
    province, a city in it."""
    around = [name for name, cities in PROVINCES.items() if place in cities]
    return any(name in told for name in (place, *around, *PROVINCES.get(place, ())))
