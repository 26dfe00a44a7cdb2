// Has pages read by the graph that is served as "annotate", on several threads, for so many seconds; says how many were
// read, right, and how fast. A worker that dies meanwhile costs this program nothing but time.
//
// Usage: read_pages FOLDER SECONDS   (FOLDER is what prepare.py has written)
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tech_renaissance.h"

namespace {

using Clock = std::chrono::steady_clock;
constexpr int kThreads = 4;
constexpr std::int64_t kPixel = 4;  // of the page, for each that is shown

struct Page {
    std::vector<std::uint8_t> file;
    std::vector<std::string> truth;
};

struct Counts {
    std::atomic<int> pages{0}, digits{0}, right{0}, failed{0};
};

std::vector<Page> pages_in(const std::filesystem::path& folder) {
    std::vector<Page> pages;
    for (int number = 0;; ++number) {
        const std::string stem = "page_" + std::to_string(number);
        std::ifstream picture(folder / (stem + ".pgm"), std::ios::binary);
        std::ifstream text(folder / (stem + ".txt"));
        if (!picture || !text) return pages;
        Page page;
        page.file.assign(std::istreambuf_iterator<char>(picture), {});
        for (std::string line; std::getline(text, line);) page.truth.push_back(line);
        pages.push_back(page);
    }
}

tr::Result read(tr::PythonSession& session, const Page& page) {
    // A view: the bytes are sent from where they are.
    const auto size = static_cast<std::int64_t>(page.file.size());
    return session.call("read", tr::TensorView(page.file.data(), {size}));
}

void count(const tr::Result& reading, const Page& page, Counts& counts) {
    const auto& lines = reading.value("lines").as_list();
    for (std::size_t row = 0; row < page.truth.size(); ++row)
        for (std::size_t column = 0; column < page.truth[row].size(); ++column) {
            ++counts.digits;
            if (lines.at(row).as_text().at(column) == page.truth[row][column]) ++counts.right;
        }
    ++counts.pages;
}

void show(const tr::Result& reading) {
    const tr::Tensor& page = reading.tensor("page");
    const auto& lines = reading.value("lines").as_list();
    const std::int64_t height = page.shape()[0];
    const std::int64_t width = page.shape()[1];
    const std::int64_t box = height / static_cast<std::int64_t>(lines.size());
    for (std::int64_t y = 2; y < height; y += kPixel) {
        std::string line = "  ";
        for (std::int64_t x = 2; x < width; x += kPixel)
            line += " .:-=+*%#@"[(255 - page.data<std::uint8_t>()[y * width + x]) * 9 / 255];
        std::cout << line << '\n';
        if (y % box < box - kPixel) continue;
        std::cout << "  ";
        for (const char digit : lines[static_cast<std::size_t>(y / box)].as_text())
            std::cout << "    " << digit << std::string(static_cast<std::size_t>(box / kPixel - 5), ' ');
        std::cout << '\n';
    }
}

int run(const std::filesystem::path& folder, double seconds) {
    const auto pages = pages_in(folder);
    if (pages.empty()) throw tr::NotFoundError("no pages in " + folder.string() + ": prepare.py writes them");
    tr::SessionOptions options;
    options.quiet = true;
    options.max_ongoing_requests = kThreads;
    // A worker that dies at work on a page is not the page's fault: its successor is asked, as soon as it is there.
    options.restart.attempts = 20;
    options.restart.max_backoff_ms = 500;
    options.restart.quarantine_after = 0;
    options.restart.idempotent = {"read"};
    tr::PythonSession session = tr::PythonSession::connect("annotate-0", options);
    show(read(session, pages[0]));

    Counts counts;
    const auto start = Clock::now();
    const auto end = start + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    std::vector<std::thread> threads;
    for (std::size_t i = 0; i < kThreads; ++i)
        threads.emplace_back([&, i] {
            for (std::size_t next = i; Clock::now() < end; ++next) {
                const Page& page = pages[next % pages.size()];
                try {
                    count(read(session, page), page, counts);
                } catch (const tr::TRException& error) {
                    ++counts.failed;
                    const std::string why = error.what();
                    std::cerr << "C++: " << why.substr(0, why.find('\n')) << '\n';
                }
            }
        });
    for (auto& thread : threads) thread.join();
    const std::chrono::duration<double> took = Clock::now() - start;
    std::cout << "C++:    " << counts.pages << " pages read, " << std::fixed << std::setprecision(0)
              << counts.pages / took.count() << " per second; " << std::setprecision(1)
              << 100.0 * counts.right / std::max(1, counts.digits.load()) << " % of the digits are right; "
              << counts.failed << " calls failed\n";
    return counts.pages > 0 && counts.right > 0.95 * counts.digits ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::cerr << "usage: read_pages FOLDER SECONDS\n";
        return 2;
    }
    try {
        return run(argv[1], std::atof(argv[2]));
    } catch (const tr::TRException& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
