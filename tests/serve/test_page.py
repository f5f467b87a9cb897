"""The page at ``/`` in a real Chromium without a screen: fields, notice, verdict, errors, key, languages, phone."""

import re
import shutil

import pytest

from rewards.judge import judge
from rewards.verdict import RULES
from serve.page import page_html
from tests.serve.served import TINY, Server

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_chromium = pytest.mark.skipif(
    not (BROWSER and DRIVER),
    reason="needs chromium and chromedriver (Debian: apt-get install chromium chromium-driver)",
)
KEY = "key-1"


def test_nothing_is_loaded_from_elsewhere():
    html = page_html()
    assert not re.findall(r"(?:src|href|action)=[\"']?(?:https?:)?//", html)
    assert not re.findall(r"@import|url\(", html)
    assert "/* page.css */" not in html
    assert "/* page.js */" not in html


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("served"), **TINY, ONDO_RETRIES="1", ONDO_API_KEY=KEY) as server:
        yield server


class Page:
    """What a visitor does and reads."""

    def __init__(self, driver, url):
        self.driver, self.url = driver, url

    def open(self):
        self.driver.get(self.url + "/")

    def element(self, name):
        return self.driver.find_element("id", name)

    def text(self, name):
        return self.element(name).text

    def fill(self, **values):
        for name, value in values.items():
            self.element(name).clear()
            self.element(name).send_keys(value)

    def press(self):
        self.element("write").click()
        self.settled()

    def settled(self):
        from selenium.webdriver.support.wait import WebDriverWait

        WebDriverWait(self.driver, 60).until(lambda _: self.element("write").get_attribute("aria-disabled") == "false")

    def width(self, pixels, height=800):
        metrics = {"width": pixels, "height": height, "deviceScaleFactor": 2, "mobile": pixels < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


@pytest.fixture(scope="module")
def driver():
    from selenium.webdriver import Chrome, ChromeOptions, ChromeService

    options = ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--accept-lang=ko"):
        options.add_argument(argument)
    driver = Chrome(options=options, service=ChromeService(DRIVER))
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture
def page(driver, server):
    page = Page(driver, server.url)
    page.width(1000)
    page.open()
    driver.execute_script("localStorage.clear()")
    page.open()
    return page


@needs_chromium
def test_a_notice_and_its_verdict(page, driver):
    """The server asks for a key: the field for it appears then and not before."""
    assert not page.element("key").is_displayed()
    assert not page.element("result").is_displayed()
    page.fill(yesterday_temp="-10", today_temp="10")
    page.press()
    assert "unauthorized" in page.text("error")
    assert driver.switch_to.active_element.get_attribute("id") == "key"

    driver.switch_to.active_element.send_keys(KEY, "\n")  # Enter sends the form
    page.settled()
    assert page.text("error") == ""
    assert judge(page.text("notice"), -10, 10).passed
    assert page.text("result-title") == "규칙 여덟 가지를 모두 지켰습니다"
    assert page.text("fact-delta") == "+20℃"
    assert page.text("fact-source") == "사람이 써 둔 문장"
    assert page.text("fact-model") == "tiny-random"
    assert re.fullmatch(r"\d+ ms", page.text("fact-latency"))
    rules = driver.find_elements("css selector", "#rules li")
    assert [rule.get_attribute("id").removeprefix("rule-") for rule in rules] == list(RULES)
    assert all(rule.text.startswith("✓ 통과") for rule in rules)
    assert str(len(page.text("notice"))) in page.text("rule-length")


@needs_chromium
def test_errors_as_the_server_gives_them(page, driver):
    driver.execute_script(f"document.getElementById('key').value = '{KEY}'")
    page.fill(yesterday_temp="20.5", today_temp="61")
    page.press()
    assert page.text("yesterday_temp-error") == "must be a whole number of degrees, got 20.5"
    assert "less than or equal to 60" in page.text("today_temp-error")
    assert page.text("error").startswith("invalid: yesterday_temp: must be")
    assert page.element("yesterday_temp").get_attribute("aria-invalid") == "true"
    assert driver.switch_to.active_element.get_attribute("id") == "yesterday_temp"
    assert not page.element("result").is_displayed()

    page.fill(yesterday_temp="", today_temp="20")
    page.press()
    assert page.text("yesterday_temp-error") == "is missing"
    assert page.text("today_temp-error") == ""
    assert page.element("today_temp").get_attribute("aria-invalid") is None

    page.fill(yesterday_temp="20")
    page.press()
    assert page.text("error") == ""
    assert page.text("yesterday_temp-error") == ""
    assert judge(page.text("notice"), 20, 20).passed
    assert page.text("fact-delta") == "0℃"


@needs_chromium
def test_the_sampling_temperature_is_sent(page, driver):
    slider = page.element("temperature")
    assert not slider.is_displayed()
    driver.find_element("css selector", "summary").click()
    assert slider.is_displayed()
    slider.send_keys("\ue014" * 3)  # right arrow
    assert page.text("temperature-value") == "0.3"
    assert driver.execute_script("return asked()") == {"yesterday_temp": 10, "today_temp": 20, "temperature": 0.3}


@needs_chromium
def test_both_languages_and_names_for_screen_readers(page, driver):
    def names():
        return [page.element(name).accessible_name for name in ("yesterday_temp", "today_temp", "write")]

    assert names() == ["어제 기온", "오늘 기온", "안내문 쓰기"]
    driver.find_element("css selector", "[data-language=en]").click()
    assert names() == ["Yesterday", "Today", "Write the notice"]
    assert driver.find_element("css selector", "html").get_attribute("lang") == "en"
    page.open()  # the choice is kept
    assert names()[2] == "Write the notice"
    driver.find_element("css selector", "[data-language=ko]").click()
    texts = driver.execute_script("return [Object.keys(TEXTS.ko), Object.keys(TEXTS.en)].map((k) => k.sort().join())")
    assert texts[0] == texts[1]


@needs_chromium
@pytest.mark.parametrize("width", [320, 360, 1000])
def test_it_fits_a_phone(page, driver, width):
    page.width(width)
    driver.execute_script(f"document.getElementById('key').value = '{KEY}'")
    page.fill(yesterday_temp="-60", today_temp="60")
    page.press()
    assert judge(page.text("notice"), -60, 60).passed
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    assert all(
        element.size["height"] >= 44
        for element in driver.find_elements("css selector", "button, form input[type=number]")
    )


@needs_chromium
def test_nothing_was_asked_of_another_server(page, driver, server):
    page.press()
    loaded = driver.execute_script("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert loaded == [server.url + "/generate/temperature"]
    assert [entry for entry in driver.get_log("browser") if entry["source"] != "network"] == []  # the script is fine


@needs_chromium
def test_a_server_that_is_gone(page, server):
    """Last, for it takes the server down."""
    server.stop()
    page.press()
    assert page.text("error") == "서버에 닿지 못했습니다. 서버가 켜져 있는지 확인해 주십시오."
