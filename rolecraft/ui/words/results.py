"""The sentences of the page /results."""

ZH = {
    "results_nav": "结果",
    "results_lead": (
        "大家打分的结果都在这里：每个数都带着区间，点一下就能看到它底下的每一条评分和那条回答。"
    ),
    "results_none_title": "还没有可以公布的结果",
    "results_none": "等有人打过分，这里就会有一张表。现在一个数都没有，我们也不拿假的来摆样子。",
    "results_none_do": "去比一比",
    "results_none_rate": "去打分",
    "results_running": "评分还在进行：{names}。为了不影响正在打分的人，结束之后才公布。",
    "results_version": "第 {number} 版 · {date}",
    "results_versions": "版本",
    "results_kind_blind": "盲测：不知道是谁在答",
    "results_kind_bank": "盲测",
    "results_kind_study": "研究“{name}”",
    "results_kind_chat": "聊天时的打分：知道是谁在答",
    "results_kind_open": "公开对比：知道是谁在答",
    "results_kind_training": "练习",
    "results_still": "每一版定下来就不再变；名次不会边看边跳。最多每周出一版新的。",
    "results_counted": "{ratings} 条评分，{raters} 位评分人",
    "results_arm": "谁在答",
    "results_average": "平均",
    "results_communication": "沟通",
    "results_consistency": "一致",
    "results_diversity": "表现力",
    "results_preference": "偏好",
    "results_n": "条数",
    "results_raters": "人数",
    "results_status": "可信程度",
    "results_rank": "名次",
    "results_preliminary": "初步",
    "results_usable": "可用",
    "results_established": "稳固",
    "results_status_about": (
        "初步：不到 30 人或 200 条，或区间太宽，不排名次。可用：误差在 ±0.3 分以内。"
        "稳固：±0.2 分以内。方括号里是 95% 区间，评分人和题目两头都算进去了。"
    ),
    "results_unknown": "估不出",
    "results_table": "打分",
    "results_table_about": (
        "1 到 5 分，越高越好。沟通：听得懂、接得上；一致：像这个人、不自相矛盾；表现力："
        "用词和情绪有变化。点任何一个数，看它底下的评分。"
    ),
    "results_leaks_included": "全部回答",
    "results_leaks_excluded": "去掉露了马脚的回答",
    "results_leaks_about": (
        "有的回答会说出模型的名字，或承认自己是 AI。去掉它们再算一遍：{ratings} 条评分。"
    ),
    "results_intervals": "区间图",
    "results_radar": "雷达图",
    "results_differences": "两两之差",
    "results_differences_about": "同一位评分人、同一道题之内比较；p 已按 Holm 校正。",
    "results_pair": "谁比谁",
    "results_criterion": "标准",
    "results_difference": "相差",
    "results_votes": "二选一",
    "results_votes_about": (
        "{votes} 票：{outcomes}。强弱按 Bradley–Terry 算，平手各算半胜；两个都不好单独计。"
    ),
    "results_left": "左边赢",
    "results_right": "右边赢",
    "results_tie": "平手",
    "results_both_bad": "都不好",
    "results_won": "赢",
    "results_lost": "输",
    "results_elo": "强弱（Elo）",
    "results_same_length": "长度、样子相同时",
    "results_unconnected": "这几组之间没有人比过，排不到一起：{groups}。",
    "results_left_bias": "左边被选的比例 {share}，{p}。两边随机摆放，应当接近一半。",
    "results_styles": "长度、动作、表情和换行的影响：{styles}。",
    "results_style_length": "长度",
    "results_style_actions": "动作",
    "results_style_emoji": "表情",
    "results_style_lines": "换行",
    "results_agreement": "评分人之间合不合拍",
    "results_agreement_about": (
        "Krippendorff α（有序），1 是完全一致，0 是跟瞎打差不多；区间按题目重抽。"
    ),
    "results_alpha": "α",
    "results_exact": "完全相同",
    "results_within_one": "相差不到一分",
    "results_units": "回答数",
    "results_lowest": "去掉一人后最低",
    "results_no_interval": "区间还算不出",
    "results_fragile": "这个第一稳不稳",
    "results_fragile_average": (
        "按打分，{first} 第一。要换人，得去掉 {ratings}条评分；按人算，{raters}。"
    ),
    "results_fragile_preference": (
        "按二选一，{first} 第一。要换人，得去掉 {ratings}票；按人算，{raters}。"
    ),
    "results_more_than": "{limit} 多",
    "results_so_many_raters": "得去掉 {count} 位评分人",
    "results_no_number": "去掉谁都换不了",
    "results_by_character": "分角色看",
    "results_by_emotion": "分情绪看",
    "results_by_about": "平均分，括号里是条数。条数少的，看看就好。",
    "results_no_emotion": "没有标情绪",
    "results_sensitivity": "换一种算法会怎样",
    "results_as_published": "就是上面的算法",
    "results_s_leaks_included": "算上露马脚的",
    "results_s_leaks_excluded": "去掉露马脚的",
    "results_finished_only": "只算说完了的",
    "results_no_cap": "不限每人条数",
    "results_pair_weighted": "按抽到的机会加权",
    "results_doubtful_included": "算上评分存疑的人",
    "results_lowest_without_one": "去掉任何一位评分人，最低",
    "results_highest_without_one": "去掉任何一位评分人，最高",
    "results_anon_only": "只算自己来的评分人",
    "results_invited_only": "只算请来的评分人",
    "results_expert_only": "只算专家",
    "results_doubted_excluded": (
        "按规则 {rule}，{copies} 位分不出故意弄坏的回答，{alike} 位从头到尾打一样的分："
        "他们的评分没有算进来，“换一种算法会怎样”里有算上他们的数。"
    ),
    "results_doubted_included": (
        "按规则 {rule}，{copies} 位分不出故意弄坏的回答，{alike} 位从头到尾打一样的分："
        "这一版算上了。"
    ),
    "results_sources": "回答的来处",
    "results_withheld": "这句话不公开：有人举报，或检查没有通过。评分照样算。",
    "results_out_cannot_tell_good_from_bad": "评分人分不出好坏",
    "results_out_answers_all_alike": "评分人从头到尾打一样的分",
    "results_failures": "没答好的回答",
    "results_replies": "回答",
    "results_failed": "失败",
    "results_cut": "被截断",
    "results_names_a_model": "说出模型名",
    "results_leaves_the_role": "出戏",
    "results_quality": "评分靠得住吗",
    "results_degraded": "故意弄坏的回答得分更低：p = {p}（{n} 条）。",
    "results_repeat": "同一个人隔天再评一次：{n} 次，完全相同 {exact}。",
    "results_halo": "同一条评分里三个标准的标准差平均 {spread}；接近 0 就说明没分开想。",
    "results_left_out": "没有算进来的评分（都还存着）",
    "results_out_training_or_other_pages": "练习，或不是这一类页面上的",
    "results_out_rater_set_aside": "评分人被搁置",
    "results_out_consent_withdrawn": "撤回了同意",
    "results_out_kind_of_rater": "不是这类评分人",
    "results_out_asked_for_the_model_s_name": "追问过是哪个模型",
    "results_out_failed_a_rule": "没过检查（读得太快等）",
    "results_out_over_the_cap": "超出每人上限",
    "results_paper": "论文里的表 4",
    "results_paper_about": (
        "这是论文自己的结果（Tao 等，2023）：另外 12 位评分人，另外的回答，和上面的数不能直接比。"
    ),
    "results_paper_kind": "论文的结果",
    "results_how": "这些数怎么来的",
    "results_open_all": "所有人都同意公开自己的逐条评分，导出的就是这张表。",
    "results_open_part": "{raters} 位评分人里有 {open} 位同意公开自己的逐条评分；"
    "导出的数据给出这 {ratings} 条评分的表：",
    "results_how_about": "每一版都能从导出的数据一位不差地重算出来：",
    "results_data": "数据指纹",
    "results_method": "算法",
    "results_seed": "随机种子",
    "results_under": "{arm} · {criterion}",
    "results_all_arms": "所有模型",
    "results_under_about": "{replies} 条回答，{ratings} 个分数",
    "results_under_unpublished": "其中 {count} 个，打分的人没有同意逐条公开，只计数，不单独列出。",
    "results_unpublished": "另有 {count} 个不逐条公开",
    "results_under_held": "还有 {count} 条回答有人正要打分，先不给看。",
    "results_under_none": "底下没有可以看的评分：可能后来撤回了，或者还有人要打分。",
    "results_rater": "评分人 {number}",
    "results_na": "不适用",
    "results_more": "再看 {count} 条",
    "results_details": "这条回答是怎么来的",
    "results_back": "返回列表",
    "results_question": "问",
    "results_private": "访客没有同意公开自己的话，所以不显示问题和提示。",
    "results_erased": "提示已按本人要求删除。",
    "results_again": "照样再生成一遍",
    "results_again_about": "用同样的提示、参数和随机种子再跑一次，看结果是不是一样。",
    "results_again_same": "一样。再跑一遍，一个字都不差。",
    "results_again_different": "不一样。这次说的是：",
    "results_again_other_weights": "名字一样，可模型的权重已经不是那一份了。这次说的是：",
    "results_again_engine_gone": "这个模型现在用不了，没法再跑。",
    "results_again_recorded": "这条回答是在别处生成后带进来的，没法在这里再跑。",
    "results_again_erased": "提示已经删除，没法再跑。",
    "results_again_busy": "正在生成……",
    "results_source": "来源",
    "results_source_live": "在这里生成",
    "results_source_recorded": "从别处带来",
    "results_source_degraded": "故意弄坏的",
    "results_conditions": "条件",
    "results_leaks": "露出的马脚",
    "results_prompt_hash": "提示指纹",
    "results_text_hash": "文字指纹",
    "results_gone": "这一版不在了，请刷新。",
    "results_version_data": "这一版的全部数字（JSON）",
}

EN = {
    "results_nav": "Results",
    "results_lead": (
        "What people's ratings say. Every number has its interval, and opens the ratings "
        "and replies that it rests on."
    ),
    "results_none_title": "No results to publish yet",
    "results_none": (
        "Once somebody has rated, a table will stand here. There is not one number "
        "yet, and we do not show invented ones."
    ),
    "results_none_do": "Compare two replies",
    "results_none_rate": "Rate",
    "results_running": (
        "Still being rated: {names}. So that nothing sways those who rate, results "
        "are told when it is over."
    ),
    "results_version": "Version {number} · {date}",
    "results_versions": "Versions",
    "results_kind_blind": "Blind: nobody knew who answered",
    "results_kind_bank": "Blind",
    "results_kind_study": "Study “{name}”",
    "results_kind_chat": "Rated while talking: it was known who answered",
    "results_kind_open": "Open comparison: it was known who answered",
    "results_kind_training": "Training",
    "results_still": (
        "A version never changes once it stands, and nothing is sorted anew under your "
        "eyes. There is at most one a week."
    ),
    "results_counted": "{ratings} ratings by {raters} raters",
    "results_arm": "Who answers",
    "results_average": "Avg",
    "results_communication": "CE",
    "results_consistency": "Cons.",
    "results_diversity": "ED",
    "results_preference": "Preference",
    "results_n": "n",
    "results_raters": "Raters",
    "results_status": "Status",
    "results_rank": "Rank",
    "results_preliminary": "preliminary",
    "results_usable": "usable",
    "results_established": "established",
    "results_status_about": (
        "Preliminary: fewer than 30 raters or 200 ratings, or too wide an interval; "
        "no rank. Usable: within ±0.3 points. Established: within ±0.2. In brackets "
        "the 95 % interval, clustered by rater and by prompt."
    ),
    "results_unknown": "not estimable",
    "results_table": "Ratings",
    "results_table_about": (
        "From 1 to 5, higher is better. CE: communication effectiveness, fluent and "
        "to the point; Cons.: consistency with the character; ED: expressive diversity. "
        "Press a number to see the ratings under it."
    ),
    "results_leaks_included": "All replies",
    "results_leaks_excluded": "Without replies that give themselves away",
    "results_leaks_about": (
        "Some replies name a model or admit to being an AI. The same table without "
        "them: {ratings} ratings."
    ),
    "results_intervals": "Intervals",
    "results_radar": "Radar",
    "results_differences": "Differences",
    "results_differences_about": "Within raters and prompts; p adjusted by Holm.",
    "results_pair": "Who and whom",
    "results_criterion": "Criterion",
    "results_difference": "Difference",
    "results_votes": "Which of two",
    "results_votes_about": (
        "{votes} votes: {outcomes}. Strengths are Bradley–Terry's, a tie is half a "
        "win for each; “both bad” is counted by itself."
    ),
    "results_left": "left won",
    "results_right": "right won",
    "results_tie": "tie",
    "results_both_bad": "both bad",
    "results_won": "won",
    "results_lost": "lost",
    "results_elo": "Strength (Elo)",
    "results_same_length": "At equal length and looks",
    "results_unconnected": "No vote connects these, so they are not ranked together: {groups}.",
    "results_left_bias": (
        "The left side was chosen in {share}, {p}. Sides are drawn at random, so about "
        "half is expected."
    ),
    "results_styles": "What length, actions, emoji and line breaks are worth: {styles}.",
    "results_style_length": "length",
    "results_style_actions": "actions",
    "results_style_emoji": "emoji",
    "results_style_lines": "line breaks",
    "results_agreement": "Do raters agree?",
    "results_agreement_about": (
        "Krippendorff's ordinal α: 1 is perfect, 0 is chance; the interval resamples replies."
    ),
    "results_alpha": "α",
    "results_exact": "exactly equal",
    "results_within_one": "within one point",
    "results_units": "replies",
    "results_lowest": "lowest without one rater",
    "results_no_interval": "no interval yet",
    "results_fragile": "How firm is the first place?",
    "results_fragile_average": (
        "By points {first} is first. It takes {ratings} ratings fewer for another to be; "
        "by whole raters, {raters}."
    ),
    "results_fragile_preference": (
        "By votes {first} is first. It takes {ratings} votes fewer for another to be; "
        "by whole raters, {raters}."
    ),
    "results_more_than": "more than {limit}",
    "results_so_many_raters": "{count} of them",
    "results_no_number": "leaving out any of them changes nothing",
    "results_by_character": "By character",
    "results_by_emotion": "By emotion",
    "results_by_about": (
        "Mean of all criteria, in brackets how many values. Few values say little."
    ),
    "results_no_emotion": "no label",
    "results_sensitivity": "Counted in other ways",
    "results_as_published": "as above",
    "results_s_leaks_included": "leaks included",
    "results_s_leaks_excluded": "leaks excluded",
    "results_finished_only": "finished replies only",
    "results_no_cap": "no cap a rater",
    "results_pair_weighted": "weighed by the chance of being drawn",
    "results_doubtful_included": "with raters in doubt",
    "results_lowest_without_one": "lowest without any one rater",
    "results_highest_without_one": "highest without any one rater",
    "results_anon_only": "raters who came by themselves alone",
    "results_invited_only": "invited raters alone",
    "results_expert_only": "experts alone",
    "results_doubted_excluded": (
        "By rule {rule}, {copies} raters cannot tell degraded copies from the rest and {alike} "
        "answer all alike. Their ratings are left out; “Other ways of counting” has the numbers "
        "with them."
    ),
    "results_doubted_included": (
        "By rule {rule}, {copies} raters cannot tell degraded copies from the rest and {alike} "
        "answer all alike. This version counts them."
    ),
    "results_sources": "Where the replies come from",
    "results_withheld": "These words are not public: someone reported them, or the check did not "
    "pass them. The ratings count all the same.",
    "results_out_cannot_tell_good_from_bad": "rater cannot tell degraded copies",
    "results_out_answers_all_alike": "rater answers all alike",
    "results_failures": "Replies that went wrong",
    "results_replies": "replies",
    "results_failed": "failed",
    "results_cut": "cut off",
    "results_names_a_model": "name a model",
    "results_leaves_the_role": "leave the role",
    "results_quality": "Can the ratings be trusted?",
    "results_degraded": (
        "Copies that were worsened on purpose are rated lower: p = {p} ({n} values)."
    ),
    "results_repeat": "The same rater a day later: {n} times, exactly equal in {exact}.",
    "results_halo": (
        "Standard deviation of the three criteria within a rating: {spread} on average; "
        "near 0 they were not told apart."
    ),
    "results_left_out": "Ratings that are not counted (all are kept)",
    "results_out_training_or_other_pages": "training or other pages",
    "results_out_rater_set_aside": "rater set aside",
    "results_out_consent_withdrawn": "consent withdrawn",
    "results_out_kind_of_rater": "kind of rater",
    "results_out_asked_for_the_model_s_name": "asked for the model's name",
    "results_out_failed_a_rule": "failed a rule, such as being read too fast",
    "results_out_over_the_cap": "over the cap a rater",
    "results_paper": "Table 4 of the paper",
    "results_paper_about": (
        "These are the paper's own results (Tao et al., 2023): 12 other raters, other "
        "replies. They cannot be set against the numbers above."
    ),
    "results_paper_kind": "theirs",
    "results_how": "How these numbers are made",
    "results_open_all": "Everyone has their single ratings published: the export gives this table.",
    "results_open_part": "{open} of {raters} raters have their single ratings published; the "
    "export gives the table of those {ratings} ratings:",
    "results_how_about": "Every version can be rebuilt bit for bit from its export:",
    "results_data": "Data hash",
    "results_method": "Method",
    "results_seed": "Seed",
    "results_under": "{arm} · {criterion}",
    "results_all_arms": "All arms",
    "results_under_about": "{replies} replies, {ratings} values",
    "results_under_unpublished": (
        "{count} of them are counted only: their raters do not publish single ratings."
    ),
    "results_unpublished": "{count} more, not published one by one",
    "results_under_held": (
        "{count} more replies are still to be rated by somebody, so they stay shut."
    ),
    "results_under_none": (
        "There is nothing to see: the ratings were withdrawn, or somebody is still "
        "to rate these replies."
    ),
    "results_rater": "Rater {number}",
    "results_na": "n/a",
    "results_more": "{count} more",
    "results_details": "How this reply was made",
    "results_back": "Back to the list",
    "results_question": "Asked",
    "results_private": (
        "The visitor did not agree to publishing what they wrote, so the question and "
        "the prompt are not shown."
    ),
    "results_erased": "The prompt was erased at the visitor's wish.",
    "results_again": "Reproduce",
    "results_again_about": "Runs the same prompt, sampling and seed once more and compares.",
    "results_again_same": "Same. Not one character differs.",
    "results_again_different": "Different. This time it said:",
    "results_again_other_weights": (
        "The name is the same, but the weights are others now. This time it said:"
    ),
    "results_again_engine_gone": "This model cannot be used here now.",
    "results_again_recorded": "This reply was made elsewhere and cannot be made again here.",
    "results_again_erased": "The prompt was erased, so it cannot be made again.",
    "results_again_busy": "Being made…",
    "results_source": "Source",
    "results_source_live": "made here",
    "results_source_recorded": "made elsewhere",
    "results_source_degraded": "worsened on purpose",
    "results_conditions": "Conditions",
    "results_leaks": "Gives itself away",
    "results_prompt_hash": "Prompt hash",
    "results_text_hash": "Text hash",
    "results_gone": "This version is gone. Reload the page.",
    "results_version_data": "Every number of this version (JSON)",
}
