// Has a PyTorch model learn handwritten digits, then classifies images that it has not seen. The images come from .tsr
// files, which prepare_digits.py writes.
//
// Usage: digits FOLDER
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <iomanip>
#include <iostream>

#include "tech_renaissance.h"

namespace {

constexpr int kEpochs = 12;
constexpr std::int64_t kBatch = 32;
constexpr double kWantedAccuracy = 0.95;
using Confusion = std::array<std::array<int, 10>, 10>;  // [true digit][answer]

void train(tr::PythonSession& session, const std::filesystem::path& folder) {
    session.send_tensor(tr::read_tsr(folder / "train_images.tsr"), "train_images");
    session.send_tensor(tr::read_tsr(folder / "train_labels.tsr"), "train_labels");
    for (int epoch = 1; epoch <= kEpochs; ++epoch) {
        const auto loss = session.fetch_response("train_epoch train_images train_labels");
        std::cout << "  epoch " << std::setw(2) << epoch << '/' << kEpochs << "  loss " << loss << std::endl;
    }
}

Confusion classify(tr::PythonSession& session, const tr::Tensor& images, const tr::Tensor& labels) {
    const std::int64_t height = images.shape()[1];
    const std::int64_t width = images.shape()[2];
    Confusion confusion{};
    for (std::int64_t first = 0; first < images.shape()[0]; first += kBatch) {
        const auto count = std::min(kBatch, images.shape()[0] - first);
        // A view: these images are sent from where they are.
        const tr::TensorView batch(images.data<std::uint8_t>() + first * height * width, {count, height, width});
        const tr::Tensor answer = session.calculate("classify", batch);
        for (std::int64_t i = 0; i < count; ++i) {
            const auto truth = static_cast<std::size_t>(labels.data<std::int64_t>()[first + i]);
            const auto given = static_cast<std::size_t>(answer.data<std::int64_t>()[i]);
            ++confusion.at(truth).at(given);
        }
    }
    return confusion;
}

void print(const Confusion& confusion) {
    std::cout << "\n  true digit (rows), answer (columns)\n     ";
    for (int digit = 0; digit < 10; ++digit) std::cout << std::setw(4) << digit;
    std::cout << '\n';
    for (std::size_t truth = 0; truth < confusion.size(); ++truth) {
        std::cout << std::setw(5) << truth;
        for (const int count : confusion[truth]) {
            if (count == 0) {
                std::cout << "   .";
            } else {
                std::cout << std::setw(4) << count;
            }
        }
        std::cout << '\n';
    }
}

int run(const std::filesystem::path& folder) {
    const tr::Tensor images = tr::read_tsr(folder / "test_images.tsr");
    const tr::Tensor labels = tr::read_tsr(folder / "test_labels.tsr");

    tr::PythonSession session("digits_server.py", "digits");
    session.start();
    std::cout << "Waiting for PyTorch ..." << std::endl;
    session.wait_until_ready();
    std::cout << "Training:" << std::endl;
    train(session, folder);

    const auto start = std::chrono::steady_clock::now();
    const Confusion confusion = classify(session, images, labels);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    print(confusion);

    int correct = 0;
    for (std::size_t digit = 0; digit < confusion.size(); ++digit) correct += confusion[digit][digit];
    const auto total = static_cast<double>(images.shape()[0]);
    const double accuracy = correct / total;
    std::cout << "\n  " << correct << " of " << total << " unseen images are right: " << std::fixed
              << std::setprecision(1) << 100 * accuracy << " %\n"
              << std::setprecision(0) << "  " << total / seconds.count() << " images per second, in batches of "
              << kBatch << '\n';
    return accuracy > kWantedAccuracy ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::cerr << "usage: digits FOLDER   (the one that prepare_digits.py wrote)\n";
        return 2;
    }
    try {
        return run(argv[1]);
    } catch (const tr::TRException& error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
