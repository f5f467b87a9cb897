# 1. 큰 상승 (한파 → 봄)
curl -X POST "http://localhost:8000/generate/temperature" \
  -H "Content-Type: application/json" \
  -d '{"yesterday_temp": -10, "today_temp": 10}'

# 기대: "어제보다 20도 상승해 훨씬 포근해졌습니다. 공원 산책하기 좋아요."

# 2. 큰 하강 (폭염 → 정상)
curl -X POST "http://localhost:8000/generate/temperature" \
  -H "Content-Type: application/json" \
  -d '{"yesterday_temp": 38, "today_temp": 25}'

# 기대: "어제보다 13도 낮아져 시원해졌습니다. 공원 산책 최고예요."

# 3. 작은 변화
curl -X POST "http://localhost:8000/generate/temperature" \
  -H "Content-Type: application/json" \
  -d '{"yesterday_temp": 20, "today_temp": 22}'

# 기대: "어제보다 2도 올라 따뜻합니다. 공원 산책하기 좋아요."

# 4. 동일 온도
curl -X POST "http://localhost:8000/generate/temperature" \
  -H "Content-Type: application/json" \
  -d '{"yesterday_temp": 25, "today_temp": 25}'

# 기대: "기온이 비슷합니다. 공원 나들이 즐기세요."

# 5. 극한 추위
curl -X POST "http://localhost:8000/generate/temperature" \
  -H "Content-Type: application/json" \
  -d '{"yesterday_temp": -20, "today_temp": -10}'

# 기대: "어제보다 10도 올라 조금 나아졌습니다. 방한 준비 철저히 하세요."

# 6. 극한 더위
curl -X POST "http://localhost:8000/generate/temperature" \
  -H "Content-Type: application/json" \
  -d '{"yesterday_temp": 35, "today_temp": 42}'

# 기대: "어제보다 7도 상승해 매우 위험합니다. 시원한 곳에 계세요."
