"""What the judge knows of Korean words, in one place: verbs and adjectives by stem, nouns as they stand."""

from functools import reduce
from operator import or_


def _listed(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Labels
LABELS = _listed(
    "출력 출력문 출력값 답변 답 대답 메시지 안내문 안내 문구 알림 알림글 공지 공지문 공지사항 결과 결과물 "
    "예시 정답 응답 생성문 제목 문장 본문 전광판 방송 안내방송 초안 최종 최종본 최종안 내용 버전 대안 "
    "수정본 완성 완성본 완성문 요약 참고 비고 작성 모델 사용자 시스템 어시스턴트 도우미 챗봇"
)
ROLES = _listed("output answer message assistant user system response result notice model bot ai")
TEXT_NOUNS = _listed("문장 문구 메시지 안내문 답변 예시 초안 버전 글 출력 응답 공지문 결과 결과물 내용")
"""Nouns for a text; a sentence that says `this is such a text` is talk about the text."""

# Change of temperature
UP = "오르 올라가 올라서 올라오 높 높아지 상승 뛰 뛰어오르 솟 치솟 솟구치 웃돌 급등 급상승 오름세 상승세 반등 치오르 상회 오름폭 상승폭"
DOWN = (
    "내리 내려가 내려서 내려오 내려앉 낮 낮아지 하락 하강 떨어지 밑돌 곤두박질치 곤두박질 급락 급강하 주저앉 가라앉 하회 "
    "내림세 하락세 꺼지 빠지 내리꽂히 추락 하락폭 내림폭"
)
STATE_OF_HEIGHT = frozenset(("높", "낮"))
"""They compare only with a measure, a word for yesterday or -아지다; the verbs tell of a change by themselves."""

GAP = "차이 차 변화 격차 편차 폭 온도차 기온차 일교차 상승폭 하락폭 오름폭 내림폭 다르 달라지 벌어지 변하 바뀌 변동"
WARMER = (
    "따뜻 따듯 따스 따사롭 포근 온화 훈훈 덥 무덥 후덥지근 후텁지근 뜨겁 뜨뜻 따끈 푹하 푸근 온난 달아오르 데워지 더워지 뜨거워지 무더워지 "
    "따스하 푹푹"
)
COLDER = "춥 쌀쌀 선선 시원 서늘 싸늘 차갑 차가워지 차 쌀쌀맞 으슬으슬 한랭 썰렁 스산 서느렇 으스스 매섭 혹독 추워지 식 쌀쌀해지"
HOT_NOUN = "더위 무더위 폭염 열기 불볕더위 찜통더위 늦더위 한더위 불더위 가마솥더위 혹서 폭서 열대야"
COLD_NOUN = "추위 강추위 한파 맹추위 한기 냉기 혹한 늦추위 꽃샘추위 엄동설한 동장군 칼바람 된추위"
RELENT = _listed(
    "누그러지 누그러들 풀리 꺾이 물러가 물러나 가시 주춤 덜하 약하 약해지 수그러들 수그러지 사그라들 사라지 줄 줄어들 식 걷히 "
    "지나가 잦아들 느슨 멀어지 끝나 녹 잠잠 한풀"
)
"""Said of cold they mean warmer, said of heat cooler."""
INTENSIFY = _listed("심하 심해지 세 세지 강하 강해지 더하 깊 깊어지 찾아오 닥치 몰려오 거세 거세지 오 기승 매섭 커지")

TEMPERATURE = _listed(
    "기온 온도 수은주 날씨 날 오늘 바깥 공기 하루 평균 바깥공기 기온계 온도계 수은 눈금 오늘날 체감 체감온도 숫자 "
    "수치 낮 아침 저녁 밤 새벽 어제 전날 쪽 최고 최저 최고기온 최저기온 봄기운 봄"
)
"""Subjects that rise and fall with the temperature."""

YESTERDAY = frozenset(("어제", "전날", "전일"))
TODAY = frozenset(("오늘", "지금", "현재", "금일"))
OTHER_TIME = _listed(
    "내일 모레 글피 그제 그저께 그끄제 엊그제 한낮 낮 대낮 밤 한밤 심야 아침 저녁 새벽 오전 오후 정오 자정 주말 평년 예년 작년 "
    "지난해 올해 지난주 지난달 다음 지난 최고 최저 체감 체감온도 이번 초저녁 해거름 해질녘 아침저녁 밤사이 간밤 어젯밤 이틀 "
    "사흘 나흘 며칠 월 여름 겨울 봄 가을 한여름 한겨울 지난밤 무렵 오늘밤 낮밤 최저기온 최고기온 체온 수온 실내 그때 당시 시 해 "
    "일주일 한때 요즘 최근"
)
SAME = _listed(
    "비슷 동일 똑같이 꼭같이 고스란히 그대로 변함없 변함없이 똑같 다름없 다름없이 같 마찬가지 한결같 한결같이 매한가지 꼭같"
)
WITHOUT_CHANGE = _listed("차이 변화 변동 차 다르 변하 달라지 바뀌 다르지 기온차 온도차 폭 격차 다를")
"""Negated, they say that the temperature is the same."""
RELATIONAL = _listed("덕 덕분 속 탓 때문 가운데 중 동안 뒤 뒤끝 만큼 정도 탓 이후 앞 곁 사이")
"""Nouns that relate the noun before them to the rest (포근한 날씨 덕에)."""
LIKE = _listed("처럼 만큼 같이")
AS_PARTICLE = _listed("비하 비교 견주 따르 대하 통하 위하 비기 더불 빗대 이르 대비 비교하")
"""Verbs whose connected form works as a particle (어제에 비해) and closes no clause."""
COMPARING = _listed("비하 비교 견주 대비 달리 비교하 비기 빗대")

WRONG_AMOUNT = _listed("넘 넘기 이상 이하 미만 초과 남짓 웃돌 밑돌 못 미치 여")
ABOUT = _listed("정도 가량 쯤 안팎 내외 만큼 나 이나 씩 가까이 남짓")

# Negation
NEGATING = _listed("않 못하 말 못 말아 아니하 마")
AGAINST = _listed("삼가 피하 금하 말 자제 금물")
TOO = _listed("이르 어렵 힘들 춥 쌀쌀 서늘 싸늘 덥 무덥 아깝 무리 곤란 차 차갑 부담 모자라 부족 거북")
"""What a day is for a thing that is better left: ``반팔만 입기에는 이릅니다``."""
REFUSING = _listed(
    "벗 두 넣 접 내려놓 치우 빼 생략 무겁 답답 거추장 부담 어색 풀 맡기 잊 놓 버리 피하 삼가 자제 금물 무리 이르 아깝 불필요 "
    "과하 위험 부족 모자라 곤란 벗어나 떠나 거르 빠뜨리 까먹 미루 어렵 놔두 그립 갑갑 성가시 귀찮 쉬 사양 지나치 불편 덥 끄 "
    "치렁치렁 철 접어들 빠트리 빼놓 빼먹 아니 한물가 이별 안녕 작별 금지 아쉽 후회"
)
"""Predicates that advise against the thing they govern."""
MOTION = _listed("나오 오 가 나가 나서 다니 들어오 들어가 걷 나들이 외출 산책 돌아다니 뛰 나다니 찾 서 있")
BAD_OUTCOME = _listed(
    "덥 답답 힘들 지치 춥 위험 어렵 거추장 무겁 불편 시리 얼 걸리 떨 탈 상하 아프 쓰러지 고생 무리 후회 땀 곤란 해롭 어지럽 "
    "잃 나쁘 다치 빼앗기"
)

# Cold and heat: clothes, means, cautions
GARMENT = (
    "겉옷 외투 코트 목도리 장갑 패딩 내복 내의 털모자 핫팩 손난로 귀마개 스웨터 점퍼 잠바 재킷 자켓 카디건 가디건 털옷 털신 파카 "
    "털장갑 털목도리 방한복 방한모 방한화 방한용품 방한구 방한구두 방한 방한대 방한장갑 무스탕 기모 워머 넥워머 롱패딩 솜옷 "
    "손토시 털실 겨울옷 니트 조끼 모포 전기장판 난로 두루마기 털부츠 덧옷 웃옷"
)
NOT_IN_HEAT = _listed("손난로 난로")
LIGHT_GARMENT = (
    "반팔 반소매 민소매 반바지 나시 홑옷 여름옷 슬리퍼 샌들 반팔티 민소매옷 여름옷차림 맨발 맨살 런닝셔츠 수영복"
)
CLOTHES = _listed(
    "옷 옷차림 차림 복장 셔츠 티셔츠 티 점퍼 겉옷 외투 바지 치마 윗도리 상의 하의 옷가지 남방 블라우스 원피스 재킷 자켓 잠바 "
    "카디건 긴팔 긴소매 소재 윗옷 차림새 면티 양말 신발 이불 담요 방석 코트 패딩 스웨터 목도리 장갑 모자 니트 내복 조끼 옷감 "
    "바람막이 겨울옷 봄옷 천"
)
WRAPPED_WARM = _listed("장갑 목도리 내복 내의 모자 이불 담요 양말 방석")
THIN = _listed("얇 가볍 시원 얄팍 얇다랗 헐렁")
THICK = _listed("두껍 두툼 도톰 두툼하 따뜻 든든 따스 포근 두텁 톡톡 폭신")
LAYERS = _listed("겹 여러 겹겹이 껴입 덧입 겹치 겹쳐입 겹겹 덧대 껴")
WEAR = _listed(
    "입 차려입 챙겨입 갖추 갖춰입 감싸 무장 챙기 준비 보호 지내 걸치 두르 껴입 데우 유지 하 싸매 대비 다니 쓰 갖춰 보온 보내 덮 "
    "여미 채비 차리 신 나오 오 나서"
)
COLD_MEASURE = "방한 보온 핫팩 손난로 난로 난방 온풍기"
HEAT_MEASURE = (
    "얼음물 양산 선풍기 에어컨 냉방 부채 손선풍기 냉수 물놀이 쿨토시 팥빙수 빙수 아이스크림 차양 열사병 일사병 온열"
)
COLD_CAUTION_NOUN = (
    "방한 보온 장갑 목도리 외투 코트 패딩 내복 내의 핫팩 손난로 털모자 귀마개 마스크 담요 빙판 빙판길 저체온증 저체온 체온 실내 "
    "감기 미끄럼 낙상 겉옷 방한복 방한모 방한화 방한용품 털장갑 털목도리 롱패딩 살얼음 동상 한랭 독감 한랭질환 방한구 두께 외풍 온기 "
    "점퍼 스웨터 파카 모자 넥워머 워머 블랙아이스 난방 단열"
)
COLD_CAUTION_VERB = "감싸 여미 껴입 미끄러지 미끄럽 녹이 싸매 미끄덩 얼 꽁꽁"
HEAT_CAUTION_NOUN = (
    "수분 그늘 그늘막 휴식 양산 모자 온열 온열질환 실내 냉방 에어컨 쉼터 열사병 일사병 탈수 물병 생수 얼음물 식수 냉수 찬물 물통 "
    "이온음료 쿨토시 손선풍기 부채 차양 무더위쉼터 쉬엄쉬엄 냉방기 챙모자 밀짚모자 나무그늘 음료수 음료 탈진 보냉병 차양막 "
    "텀블러 열탈진 선풍기"
)
ABSTAIN = "삼가 자제 미루 줄이 멈추 피하 조심 주의 유의 서두르 무리 대비 단축 취소 중단 짧 짧아지 잠깐 잠시 살피 식히 연기 주저"
RESTING = "쉬 휴식 쉼"
AT_RISK = _listed(
    "더위 무더위 폭염 햇볕 햇빛 뙤약볕 땡볕 볕 불볕 직사광선 열 온열 건강 몸 무리 한낮 탈수 화상 열기 추위 강추위 한파 빙판 빙판길 "
    "미끄럼 외출 산책 노출 감기 동상 얼음 찬바람 칼바람 낙상 운동 활동 나들이 방문 이용 출입 달리기 뛰기 걷기 작업 야외 체조 조깅 등산 "
    "놀이 경기 일정 발걸음 머무르 머물 걷 뛰 달리 나오 나가 나서 오래 시간 체력 체온 질환 온열질환 열사병 일사병 과로 지치 대낮 더위병 "
    "여름철 겨울철 길 발밑 바닥 어르신 노약자 아이 심장 혈압 손발 맹추위 냉기 바람 빙판길 산행 축구 농구 자전거타기 땀 날씨 기온 한기 "
    "산보 소풍 러닝 마라톤 훈련 노동 격하 심하 낮 오후 휴식 몸속 무더위쉼터 컨디션 야외활동 바깥 보행 걸음 안전 햇살 산책길 미끄러지 "
    "미끄럽 살얼음 안부 손끝 발끝 저체온증"
)
"""What a caution with 조심, 피하다, 미루다 … must be about to be one against heat or cold."""
FROSTBITE = _listed(
    "걸리 예방 위험 입 조심 주의 막 우려 걱정 피하 손 발 귀 손발 손끝 발끝 생기 염려 유의 당하 대비 코끝 들 노출 무섭"
)
DRINKING = _listed(
    "마시 드시 챙기 준비 가져오 지니 보충 축이 섭취 자주 충분 충분히 넉넉 넉넉히 채우 담 나누 필요 곁 병 모금 잔 없이 들 틈틈이 미리 수시로 "
    "컵 통 적시 들이키 휴대 갖추 필수 들이켜 가득 먹 빠뜨리 잊 가지 축 먼저 꼭 드리 마셔 한모금 권하 싸 꾸준히 얼리 거르"
)
COOL_PLACE = _listed(
    "곳 데 장소 자리 쉼터 그늘 실내 물 음료 카페 도서관 공간 나무 분수 차 수박 음료수 생수 화채 아이스크림 옷 옷차림 차림 복장 안 정자 "
    "숲 밑 아래 물줄기 물가 물놀이 물소리 건물 모자 셔츠 물병 얼음물 손수건 수건 대나무 그늘막 냉방 소재"
)
UNWELCOME_HAIR = _listed("깎 자르 치 숙이 다듬 끊 말 이발")
WELCOMING = _listed("맞이 맞 반기 웃 인사 품 안 말 대하 맞아들 건네 응원 격려 비추 비치 나누 손 빛나 물들 속삭이")

# Weather as a fact
WEATHER = _listed(
    "날씨 날 오늘 하루 기온 온도 공기 바깥 바깥공기 기운 바람 겨울 겨울날 아침 오후 오전 낮 한낮 봄 봄날 가을 여름 대기 저녁 밤 온기 봄기운 "
    "휴일 주말 요즘 공원 산책길 산책로 둘레길 길 잔디밭 숲길 오솔길 호숫가 밖 야외 때 시간 계절 편 것 한때 겨울철 광장 언덕 곳곳 동네 "
    "휴일날 날들 꽃길 흙길 강변 봄바람 겨울바람 실바람 산들바람 지금 나들잇길 마당 들판 여름날 가을날 정오"
)
"""What is warm or cold when the weather is; a warm cup, coat, room or heart is not the weather."""
WEATHER_COOL = WEATHER - _listed(
    "공원 산책길 산책로 둘레길 길 잔디밭 숲길 오솔길 호숫가 언덕 광장 때 시간 계절 곳곳 저녁 밤 것 꽃길"
)
SPAN = _listed("하루 오후 오전 시간 주말 휴일 저녁 아침 밤 겨울 봄 여름 가을 날 연말 한때 계절 낮")
SPENDING = _listed("보내 되 만들 마무리 시작 채우 맞 맞이 열 나 누리 기원 바라 이어가 지내")
HEDGE = _listed("듯 척 양 듯하 듯싶 보이 체 때 만하")
UNREAL = _listed("면 으면 다면 는다면 도록 려면 으려면 거든 다고 ᆫ다고 는다고 더라도 다면서 라도 을지 어야")
INDOORS = _listed(
    "실내 온실 카페 쉼터 매점 도서관 집 방 전시관 식당 화장실 차 안 속 그늘 물가 분수 곁 옆 아래 밑 건물 휴게실 미술관 박물관 이불 난로"
)

# Exercise, walks
OUTING = _listed(
    "산책 나들이 운동 소풍 조깅 달리기 활동 외출 피크닉 산보 걷기 뛰기 등산 러닝 야외활동 자전거 라이딩 축구 농구 체조 걷 거닐 달리 뛰 "
    "뛰놀 둘러보 돌아보 산책하 운동하 나서 나가 나오 돌아다니 노닐 배드민턴 마라톤 하이킹 줄넘기 트레킹"
)
GOOD = _listed(
    "좋 최고 제격 알맞 안성맞춤 그만 딱 적합 완벽 최적 적당 손색없 이상적 쾌적 더없 으뜸 적기 적격 맞춤 맞 신나 즐겁 훌륭 편하 딱이 금상첨화"
)
PURPOSE = _listed("즐기 하 가 나서 나가 떠나 다녀오 나오")
ADVISORY = frozenset(("주의보", "경보", "특보"))
ISSUED = _listed(
    "발령 발효 내려지 내리 해제 폭염 한파 건조 강풍 호우 대설 미세먼지 황사 태풍 오존 안개 기상 기상청 뜨 격상 풍랑 주의 발표 자외선 내"
)

# Soft measures
STATE = (
    "포근 따뜻 따듯 따스 따사롭 온화 훈훈 시원 선선 서늘 쌀쌀 춥 덥 무덥 추위 한파 강추위 맹추위 더위 무더위 폭염 찜통 찜통더위 불볕더위 "
    "불볕 매섭 화창 쾌적 온기 찌 싸늘 차갑 후텁지근 후덥지근 뜨겁 혹한 꽃샘추위 한기 열기 늦더위 푹푹 상쾌 산뜻 청량 차 시리 스산 "
    "얼 꽁꽁 따갑 에이 누그러지 풀리 얼어붙 땀 달아오르 칼바람 볕 햇살 햇볕 으슬으슬 냉기 끓 찬바람 텁텁 후끈 후끈하"
)
ADVICE = (
    "겉옷 옷 외투 코트 모자 수분 마스크 방한 휴식 쉬 쉼 장갑 목도리 양산 그늘 카디건 바람막이 셔츠 스웨터 내복 소매 반팔 반소매 보온 담요 "
    "핫팩 손난로 양말 방석 스카프 귀마개 우산 선크림 체온 안전 주의 조심 살피 차림 옷차림 실내 도톰 물 물병 생수 식수 음료 물통 털모자 "
    "자제 삼가 피하 미루 무리 건강 감기 준비 여미 감싸 껴입 입 운동화 신발 점퍼 조끼 재킷 윗옷 손수건 복장 온열 줄이 짧 멈추 쉬엄쉬엄 "
    "긴소매 긴팔 셔츠 미끄럽 미끄러지 빙판 낙상 몸 땀 단추 옷깃 보호 체력 유의 그늘막 쉼터 겹 걸치 패딩 두르 차 국물 방한화 방한복 방한모 위험 무릎담요 부채 에어컨 냉방"
)

# Marks of the lexicon
UP_, DOWN_, GAP_, WARM_, COLD_, HOT_NOUN_, COLD_NOUN_, GARMENT_, LIGHT_, COLD_CAUTION_, HEAT_CAUTION_ = (
    1 << number for number in range(11)
)
ABSTAIN_, REST_, GOOD_, ADVISORY_, STATE_, ADVICE_, COLD_VERB_, HEAT_MEASURE_, THIN_, THICK_, SAME_, RELENT_ = (
    1 << number for number in range(11, 23)
)
_LISTS: dict[int, str | frozenset[str]] = {
    UP_: UP,
    DOWN_: DOWN,
    GAP_: GAP,
    WARM_: WARMER,
    COLD_: COLDER,
    HOT_NOUN_: HOT_NOUN,
    COLD_NOUN_: COLD_NOUN,
    GARMENT_: GARMENT,
    LIGHT_: LIGHT_GARMENT,
    COLD_CAUTION_: COLD_CAUTION_NOUN,
    HEAT_CAUTION_: HEAT_CAUTION_NOUN,
    ABSTAIN_: ABSTAIN,
    REST_: RESTING,
    GOOD_: GOOD,
    ADVISORY_: ADVISORY,
    STATE_: STATE,
    ADVICE_: ADVICE,
    COLD_VERB_: COLD_CAUTION_VERB,
    HEAT_MEASURE_: HEAT_MEASURE,
    THIN_: THIN,
    THICK_: THICK,
    SAME_: SAME,
    RELENT_: RELENT,
}


def _lexicon() -> dict[str, int]:
    found: dict[str, list[int]] = {}
    for mark, listed in _LISTS.items():
        for word in listed.split() if isinstance(listed, str) else listed:
            found.setdefault(word, []).append(mark)
    return {word: reduce(or_, marks) for word, marks in found.items()}


LEXICON: dict[str, int] = _lexicon()
"""Every listed word with its marks, for one look-up a morpheme."""

TAUGHT = _listed(
    "가마솥더위 겨울옷 그늘막 나무그늘 덧옷 동장군 런닝셔츠 맨발 맨살 맹추위 무더위쉼터 민소매 반팔티 "
    "밀짚모자 방한용품 방한장갑 방한화 방한모 방한복 불볕더위 블랙아이스 빙판길 손난로 손선풍기 손토시 솜옷 "
    "여름옷 열사병 열탈진 온열 온열질환 이온음료 저체온 저체온증 찜통더위 챙모자 쿨토시 털목도리 털부츠 "
    "털옷 털장갑 털모자 털신 한랭질환 한파 핫팩 홑옷 귀마개 내복 냉방기 무스탕 반소매 보온 양산 일사병 "
    "차양막 칼바람 꽃샘추위 늦추위 강추위 얼음물 물병 물통 카디건 가디건 목도리 오름폭 내림폭 상승폭 하락폭 "
    "온도차 기온차 "
)
"""Nouns that the analyser is told of, for it takes them apart in some surroundings (한 파, 핫 팩, 민 소매)."""
